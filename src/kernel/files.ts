import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { PalyraError, systemCode } from './errors.ts';

/** Makes the entries of a folder durable. A rename or create is only safe after it (POSIX; no-op on Windows). */
export function fsyncDir(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Replaces a file in one step, durable when it resolves: the old or the new content, never a part. Mode 0600. */
export async function writeFileDurable(path: string, content: string | Buffer, mode = 0o600): Promise<void> {
  try {
    // Loaded by who writes: readers start faster without.
    const { default: writeFileAtomic } = await import('write-file-atomic');
    await writeFileAtomic(path, content, { mode, fsync: true });
    fsyncDir(dirname(path));
  } catch (error) {
    throw fileFailure(error, path);
  }
}

/** A private folder: made 0700, and made so again if it exists with more rights and is ours. */
export function ensurePrivateDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileFailure(error, path);
  }
  if (process.platform !== 'win32') assertPrivate(path);
}

/**
 * Refuses a file or folder that group or others can use, or that belongs to somebody else.
 * Root may use files of another user: a service's home belongs to the service (DESIGN 16.10).
 */
export function assertPrivate(path: string): void {
  if (process.platform === 'win32') return;
  const { mode, uid } = statSync(path);
  const own = process.geteuid?.() ?? uid;
  if (uid !== own && own !== 0) {
    throw new PalyraError('credential_unsafe', `${path} belongs to another user`, {
      hint: `run as the owner of ${path}, or move it away`,
    });
  }
  if ((mode & 0o077) !== 0) {
    throw new PalyraError(
      'credential_unsafe',
      `${path} can be used by other users (mode ${(mode & 0o777).toString(8)})`,
      {
        hint: `chmod go= ${path}`,
      },
    );
  }
}

/** Text of a private file, checked as `assertPrivate` does; undefined if it does not exist. At most `maxBytes`. */
export function readPrivateFile(path: string, maxBytes: number): string | undefined {
  if (!existsSync(path)) return undefined;
  assertPrivate(path);
  if (statSync(path).size > maxBytes) {
    throw new PalyraError('payload_too_large', `${path} is larger than ${maxBytes} bytes`);
  }
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw fileFailure(error, path);
  }
}

/** A failure of the file system as something a person can act on. */
export function fileFailure(error: unknown, path: string): Error {
  switch (systemCode(error) ?? 'none') {
    case 'ENOSPC':
    case 'EDQUOT':
      return new PalyraError('disk_full', `no space left to write ${path}`, {
        hint: 'free some space and try again',
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new PalyraError('no_permission', `the system refused access to ${path}`, {
        hint: 'run as its owner, or choose another folder with --home',
        cause: error,
      });
    default:
      return error instanceof Error ? error : new Error(String(error));
  }
}
