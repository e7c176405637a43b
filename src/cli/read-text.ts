import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { PalyraError, systemCode } from '../kernel/errors.ts';
import { fileFailure } from '../kernel/files.ts';

/** Text of a file, or of standard input for `-`. UTF-8 only: it must arrive as it is. Errors: `usage`. */
export async function readText(path: string, maxBytes: number): Promise<string> {
  const source = path === '-' ? process.stdin : createReadStream(path);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new PalyraError('usage', `${path} has more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') throw new PalyraError('usage', `there is no file ${path}`, { cause });
    throw cause instanceof PalyraError ? cause : fileFailure(cause, path);
  }
  const all = Buffer.concat(chunks, bytes);
  if (!isUtf8(all)) throw new PalyraError('usage', `${path} is not UTF-8 text`);
  return all.toString('utf8');
}
