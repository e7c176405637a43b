import { createHash } from 'node:crypto';
import { LIMITS } from '../../kernel/limits.ts';
import type { ConfinedFile } from './confined-file.ts';

const READ_BYTES = 4 * LIMITS.chunkBytes;

/** SHA-256 of an opened file, hex. Rejects with the signal's reason when that is aborted. */
export async function fileDigest(file: Pick<ConfinedFile, 'read'>, signal: AbortSignal): Promise<string> {
  const digest = createHash('sha256');
  const part = Buffer.allocUnsafe(READ_BYTES);
  for (let at = 0; ; ) {
    signal.throwIfAborted();
    const count = await file.read(part, at);
    if (count === 0) return digest.digest('hex');
    digest.update(part.subarray(0, count));
    at += count;
  }
}
