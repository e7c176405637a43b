import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileFailure } from '../kernel/files.ts';

/**
 * Replaces a file in one step by what comes in pieces, durable when it resolves with its length in bytes. Mode 0600.
 * Waits for the disk after each piece, so that other work goes on. Errors: `disk_full`, `no_permission`.
 */
export async function writeStreamed(path: string, pieces: AsyncIterable<string>): Promise<number> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    let length = 0;
    try {
      for await (const piece of pieces) length += (await file.write(Buffer.from(piece))).bytesWritten;
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return length;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileFailure(error, path);
  }
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
