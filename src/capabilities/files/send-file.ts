import { createHash } from 'node:crypto';
import { LIMITS } from '../../kernel/limits.ts';
import type { CapabilityContext } from '../capability.ts';
import type { ConfinedFile } from './confined-file.ts';

interface Range {
  readonly offset: number;
  readonly length: number;
  readonly hash: boolean;
}

/**
 * Sends a range of a file chunk by chunk; the next chunk is read while the one before is on its way, so at most two
 * are in memory. Rejects with the signal's reason when the request ends.
 */
export async function sendFile(
  file: ConfinedFile,
  { offset, length, hash }: Range,
  { stdout, signal }: Pick<CapabilityContext, 'stdout' | 'signal'>,
): Promise<{ bytes: number; sha256: string | undefined }> {
  const digest = hash ? createHash('sha256') : undefined;
  let bytes = 0;
  let sending: Promise<void> = Promise.resolve();
  try {
    while (bytes < length) {
      signal.throwIfAborted();
      const chunk = Buffer.allocUnsafeSlow(Math.min(LIMITS.chunkBytes, length - bytes));
      const count = await file.read(chunk, offset + bytes);
      await sending;
      if (count === 0) break;
      const data = count === chunk.length ? chunk : chunk.subarray(0, count);
      digest?.update(data);
      sending = stdout.write(data);
      // Looked at in the next turn; until then a rejection is not unhandled.
      sending.catch(() => undefined);
      bytes += count;
    }
  } finally {
    await sending;
  }
  signal.throwIfAborted();
  return { bytes, sha256: digest?.digest('hex') };
}
