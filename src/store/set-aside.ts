import { existsSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileFailure, fsyncDir } from '../kernel/files.ts';

/** What stands beside a database of SQLite and is part of it. */
const COMPANIONS = ['-wal', '-shm', '-journal'];
export const SQLITE_SET: readonly string[] = ['', ...COMPANIONS];

/**
 * Moves a damaged file out of the way as `<path>.damaged-<time>` beside it, with all of `suffixes` that exist, and
 * returns that name. Never overwrites an earlier one. Errors: `no_permission`.
 */
export function setAside(path: string, nowUnixMs: number, suffixes: readonly string[] = ['']): string {
  const base = `${path}.damaged-${new Date(nowUnixMs).toISOString().replace(/[-:]|\.\d+/g, '')}`;
  let target = base;
  for (let again = 2; suffixes.some((suffix) => existsSync(target + suffix)); again += 1) target = `${base}-${again}`;
  try {
    // The file itself goes first: a crash here leaves companions without it, which are found and set aside next time,
    // while it without them would look like a sound older database.
    for (const suffix of suffixes) if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix);
    fsyncDir(dirname(path));
  } catch (error) {
    throw fileFailure(error, path);
  }
  return target;
}
