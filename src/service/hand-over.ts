import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  readdirSync,
  type Stats,
} from 'node:fs';
import { PalyraError, systemCode } from '../kernel/errors.ts';
import type { Account } from './system-account.ts';

/** Opens a folder itself, never what a link points to. */
function openFolder(path: string, shown: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'ELOOP' && code !== 'ENOTDIR') throw error;
    throw new PalyraError('credential_unsafe', `${shown} is not a folder of its own but a link or a file`, {
      hint: `move ${shown} away`,
      cause: error,
    });
  }
}

/**
 * Calls `visit` for each entry of a folder, with a path that goes through the opened folder: whoever may write there
 * cannot make root act elsewhere by swapping a folder for a link (Linux).
 */
function visitFolder(
  path: string,
  shown: string,
  visit: (entry: { path: string; shown: string; name: string; stat: Stats }) => void,
): void {
  const folder = openFolder(path, shown);
  try {
    const through = `/proc/self/fd/${folder}`;
    for (const name of readdirSync(through)) {
      const stat = lstatSync(`${through}/${name}`, { throwIfNoEntry: false });
      if (stat !== undefined) visit({ path: `${through}/${name}`, shown: `${shown}/${name}`, name, stat });
    }
  } finally {
    closeSync(folder);
  }
}

/**
 * Gives a folder and all in it to a service's account, mode 0700, and returns how many entries changed hands. Only
 * what belongs to root or one of `formerUids` is taken: a foreign file, or one with a second name elsewhere, was
 * planted, and giving it away could give away something else.
 */
export function handOver(folder: string, { uid, gid }: Account, formerUids: readonly number[]): number {
  let changed = 0;
  const former = new Set([0, ...formerUids]);

  const mayTake = (stat: Stats, shown: string): boolean => {
    if (stat.uid === uid) return stat.gid !== gid && !stat.isFile();
    if (former.has(stat.uid) && (!stat.isFile() || stat.nlink === 1)) return true;
    const why = former.has(stat.uid) ? 'has another name elsewhere (hard link)' : `belongs to user ${stat.uid}`;
    throw new PalyraError('credential_unsafe', `${shown} ${why}; it is not given to the service`, {
      hint: `look at it, then: chown -h ${uid}:${gid} ${shown}`,
    });
  };

  const walk = (path: string, shown: string): void => {
    visitFolder(path, shown, (entry) => {
      if (mayTake(entry.stat, entry.shown)) {
        lchownSync(entry.path, uid, gid);
        changed += 1;
      }
      if (entry.stat.isDirectory()) walk(entry.path, entry.shown);
    });
  };

  const top = openFolder(folder, folder);
  try {
    if (mayTake(fstatSync(top), folder)) {
      fchownSync(top, uid, gid);
      changed += 1;
    }
    fchmodSync(top, 0o700);
  } finally {
    closeSync(top);
  }
  walk(folder, folder);
  return changed;
}
