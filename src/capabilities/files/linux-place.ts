import { constants, fsync, statfs } from 'node:fs';
import { promisify } from 'node:util';
import { PalyraError } from '../../kernel/errors.ts';
import { closeDescriptor, openDescriptor } from './descriptor.ts';
import { childPath, descriptorPath, realPathOf } from './descriptor-walk.ts';
import { type FileRules, outsideRoots } from './file-rules.ts';
import { refuseForbidden } from './forbidden-path.ts';
import type { HeldFolder, HeldPlace } from './held-folder.ts';
import {
  type Found,
  type IsProtected,
  linkRefused,
  placeInRoot,
  refuseKernelFiles,
  startsWith,
  walkInRoot,
} from './linux-walk.ts';
import { posixComponents, splitPath } from './path-text.ts';
import { notAName, refuseUnfitFolder } from './unfit-file.ts';

const statfsAsync = promisify(statfs);
const fsyncAsync = promisify(fsync);

/** The folder of a path, by the same walk as for reading, and the name in it. Links are never followed. */
export async function openPlace(path: Buffer, rules: FileRules, isProtected: IsProtected): Promise<HeldPlace> {
  const { root, full } = placeInRoot(posixComponents(path), rules.roots, path);
  const name = full.at(-1);
  if (name === undefined || full.length <= splitPath(root.real).length || path.at(-1) === SLASH) throw notAName(path);
  // The walk sees the folder alone.
  refuseForbidden(full, rules.allowSecrets);
  const found = await walkInRoot(full.slice(0, -1), root, rules, isProtected);
  const { end } = found;
  try {
    if (end.linkAt !== undefined) throw linkRefused(full, end.linkAt, 'name the folder that it points to');
    refuseUnfitFolder(end.stats, found.rootStats, path, rules);
    if (end.stats.dev !== found.rootStats.dev) await refuseKernelFiles(end.fd, path);
  } catch (error) {
    await closeDescriptor(end.fd);
    throw error;
  }
  return { folder: linuxFolder(found, rules), name };
}

const SLASH = 0x2f;

const linuxFolder = ({ end: { fd, stats }, root, rootStats }: Found, rules: FileRules): HeldFolder => ({
  rule: root.rule,
  stats,
  rootStats,
  async whereInside() {
    const path = await realPathOf(fd);
    const at = splitPath(path);
    // A folder can be carried out of its root, with us in it.
    if (!rules.roots.some(({ real }) => startsWith(at, splitPath(real)))) {
      throw new PalyraError('path_refused', `the folder was moved away: ${outsideRoots(path, rules.roots).message}`);
    }
    return path;
  },
  child: (name) => childPath(fd, name),
  async freeBytes() {
    const { bavail, bsize } = await statfsAsync(descriptorPath(fd));
    return bavail * bsize;
  },
  async sync() {
    const open = await openDescriptor(descriptorPath(fd), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await fsyncAsync(open);
    } finally {
      await closeDescriptor(open);
    }
  },
  close: () => closeDescriptor(fd),
});
