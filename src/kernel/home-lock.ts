// One process of a role per home. The lock is one of the operating system: it ends with its process however that ends,
// so nothing stale is ever left and no pid is ever guessed at. SQLite is the part of the runtime that can take one.
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ensurePrivateDir, fileFailure } from './files.ts';

export interface HomeLock {
  release(): void;
}

const SQLITE_BUSY = 5;

const isBusy = (cause: unknown): boolean =>
  cause instanceof Error && 'errcode' in cause && (Number(cause.errcode) & 0xff) === SQLITE_BUSY;

/**
 * Takes the lock of a folder until `release` or the end of the process; undefined while another process has it.
 * Makes the folder. Errors: no_permission, disk_full.
 */
export function lockHome(folder: string): HomeLock | undefined {
  ensurePrivateDir(folder);
  const path = join(folder, 'lock');
  let held: DatabaseSync | undefined;
  try {
    held = new DatabaseSync(path, { timeout: 0 });
    chmodSync(path, 0o600);
    held.exec('pragma journal_mode=memory; begin exclusive');
  } catch (cause) {
    held?.close();
    if (isBusy(cause)) return undefined;
    throw fileFailure(cause, path);
  }
  const lock = held;
  return { release: () => lock.close() };
}

/** Whether some process holds the lock of a folder; changes nothing. */
export function homeIsLocked(folder: string): boolean {
  const path = join(folder, 'lock');
  let looking: DatabaseSync | undefined;
  try {
    looking = new DatabaseSync(path, { timeout: 0, readOnly: true });
    looking.exec('select count(*) from sqlite_schema');
    return false;
  } catch (cause) {
    // Without the file there never was a process.
    return isBusy(cause);
  } finally {
    looking?.close();
  }
}
