import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemCode } from '../../kernel/errors.ts';

const MOST_LINKS = 40;
const STICKY = 0o1000;
const OTHERS_WRITE = 0o022;

/**
 * Why somebody else than these users could make `path` name another file: each folder and link on the way is looked
 * at, link by link. Undefined when nobody could.
 */
export function chainFault(path: string, owners: readonly number[]): string | undefined {
  try {
    return faultOnTheWay(path, owners);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return `${path} cannot be followed to its end (${systemCode(error)})`;
  }
}

function faultOnTheWay(path: string, owners: readonly number[]): string | undefined {
  let links = 0;
  let done = '/';
  let open = components(path);
  let fault = folderFault('/', lstatSync('/'), owners, open.length === 1);
  while (fault === undefined && open.length > 0) {
    const [name = '', ...rest] = open;
    open = rest;
    if (name === '..') {
      done = dirname(done);
      continue;
    }
    const at = join(done, name);
    const stats = lstatSync(at);
    if (!owners.includes(stats.uid)) return `${at} belongs to another user`;
    if (stats.isSymbolicLink()) {
      links += 1;
      if (links > MOST_LINKS) return `${path} leads through too many links`;
      const target = readlinkSync(at);
      if (target.startsWith('/')) done = '/';
      open = [...components(target), ...open];
    } else if (stats.isDirectory()) {
      done = at;
      fault = folderFault(at, stats, owners, open.length === 1);
    } else if ((stats.mode & OTHERS_WRITE) !== 0) {
      return `${at} can be written by other users`;
    }
  }
  return fault;
}

const components = (path: string): string[] => path.split('/').filter((name) => name !== '' && name !== '.');

function folderFault(path: string, stats: Stats, owners: readonly number[], last: boolean): string | undefined {
  if (!owners.includes(stats.uid)) return `the folder ${path} belongs to another user`;
  if ((stats.mode & OTHERS_WRITE) === 0) return undefined;
  // In a sticky folder nobody can replace what is ours; but programs themselves do not belong there.
  if ((stats.mode & STICKY) !== 0 && !last) return undefined;
  return `the folder ${path} can be written by other users`;
}
