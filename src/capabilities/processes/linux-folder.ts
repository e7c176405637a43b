import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { closeDescriptor, openDescriptor } from '../files/descriptor.ts';
import { descriptorPath, O_PATH, realPathOf } from '../files/descriptor-walk.ts';
import { outsideRoots, type Root } from '../files/file-rules.ts';
import { pathFailure } from '../files/path-text.ts';
import type { OpenedFolder } from './process-host.ts';

/**
 * Opens a working folder and checks where it really is. The program starts in this very folder, whatever is put in
 * its place meanwhile: the spawn goes through the descriptor.
 */
export async function openLinuxFolder(path: string, roots: readonly Root[]): Promise<OpenedFolder> {
  let fd: number;
  try {
    fd = await openDescriptor(path, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    throw pathFailure(error, path);
  }
  try {
    const real = await realPathOf(fd);
    const root = roots.find((candidate) => isInside(real, candidate.real));
    if (root === undefined) throw outsideRoots(path, roots, 'cwd_roots');
    await access(descriptorPath(fd), constants.X_OK);
    const { rule } = root;
    return { realPath: real.toString(), spawnPath: descriptorPath(fd), rule, close: () => closeDescriptor(fd) };
  } catch (error) {
    await closeDescriptor(fd);
    throw pathFailure(error, path);
  }
}

const SLASH = 0x2f;

function isInside(path: Buffer, root: Buffer): boolean {
  if (root.length === 1) return true;
  return path.subarray(0, root.length).equals(root) && (path.length === root.length || path[root.length] === SLASH);
}
