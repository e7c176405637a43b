import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PalyraError, systemCode } from '../kernel/errors.ts';
import { fileFailure } from '../kernel/files.ts';

/** Where the bytes of a remote file go. */
export interface FileTarget {
  write(data: Buffer): Promise<void>;
  /** All is there and right: it may be seen. */
  finish(): Promise<void>;
  /** Leaves nothing. */
  discard(): Promise<void>;
}

/** A local file that appears under its name only when it is whole. Errors: `usage`, `no_permission`, `disk_full`. */
export async function openOutputFile(path: string): Promise<FileTarget> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.part`);
  try {
    const file = await open(temporary, 'wx', 0o666);
    return {
      async write(data) {
        try {
          for (let at = 0; at < data.length; ) at += (await file.write(data, at)).bytesWritten;
        } catch (cause) {
          throw fileFailure(cause, path);
        }
      },
      async finish() {
        try {
          await file.sync();
          await file.close();
          await rename(temporary, path);
        } catch (cause) {
          throw fileFailure(cause, path);
        }
      },
      async discard() {
        await file.close();
        await rm(temporary, { force: true });
      },
    };
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT') throw fileFailure(cause, path);
    throw new PalyraError('usage', `there is no folder ${dirname(path)}`, { cause });
  }
}
