import { createHash } from 'node:crypto';
import { LIMITS } from '../../kernel/limits.ts';
import type { CapabilityContext } from '../capability.ts';
import type { ConfinedFile } from './confined-file.ts';

interface Range {
  readonly offset: number;
  readonly length: number;
  readonly hash: boolean;
}

/** Each read is a visit to the thread pool and back; four chunks a visit make that cheap. */
const READ_BYTES = 4 * LIMITS.chunkBytes;

/**
 * Sends a range of a file chunk by chunk. The next part is read while the one before is on its way, so at most two
 * parts are in memory. Rejects with the signal's reason when the request ends.
 */
export async function sendFile(
  file: ConfinedFile,
  { offset, length, hash }: Range,
  { stdout, signal }: Pick<CapabilityContext, 'stdout' | 'signal'>,
): Promise<{ bytes: number; sha256: string | undefined }> {
  const digest = hash ? createHash('sha256') : undefined;
  const readPart = async (at: number): Promise<Buffer> => {
    const part = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, length - at));
    return part.subarray(0, await file.read(part, offset + at));
  };
  let bytes = 0;
  let next = length === 0 ? undefined : readPart(0);
  try {
    while (next !== undefined) {
      const part = await next;
      bytes += part.length;
      next = part.length === 0 || bytes >= length ? undefined : readPart(bytes);
      // Looked at in the next round; until then a failure is not unhandled.
      next?.catch(() => undefined);
      for (let at = 0; at < part.length; at += LIMITS.chunkBytes) {
        signal.throwIfAborted();
        const chunk = part.subarray(at, at + LIMITS.chunkBytes);
        digest?.update(chunk);
        await stdout.write(chunk);
      }
    }
  } finally {
    // The descriptor is closed after this: no read may be on its way with it.
    await next?.catch(() => undefined);
  }
  signal.throwIfAborted();
  return { bytes, sha256: digest?.digest('hex') };
}
