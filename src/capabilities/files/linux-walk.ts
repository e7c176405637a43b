// Linux: from the text of a path to a descriptor of what it names, inside a root and nowhere else.
import type { BigIntStats } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { PalyraError } from '../../kernel/errors.ts';
import { closeDescriptor } from './descriptor.ts';
import { descriptorPath, type WalkEnd, walkDown } from './descriptor-walk.ts';
import { type FileRules, outsideRoots, type Root } from './file-rules.ts';
import { refuseForbidden } from './forbidden-path.ts';
import { joinPath, showPath, splitPath } from './path-text.ts';

// Numbers of linux/magic.h: file systems whose files are the kernel talking.
const KERNEL_FILE_SYSTEMS = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x27e0eb, // cgroup
  0x63677270, // cgroup2
  0x73636673, // securityfs
  0xcafe4a11, // bpf
  0x1cd1, // devpts
  0x42494e4d, // binfmt_misc
]);

export type IsProtected = (stats: BigIntStats) => boolean;

export interface Found {
  readonly end: WalkEnd;
  readonly root: Root;
  readonly rootStats: BigIntStats;
}

/** Which root a path is in, by its text: under the name the policy has, or the real one. The longest wins. */
export function placeInRoot(
  wanted: readonly Buffer[],
  roots: readonly Root[],
  path: Buffer,
): { root: Root; full: Buffer[] } {
  let best: { root: Root; full: Buffer[]; depth: number } | undefined;
  for (const root of roots) {
    const real = splitPath(root.real);
    for (const prefix of [splitPath(Buffer.from(root.configured)), real]) {
      if (!startsWith(wanted, prefix) || (best !== undefined && best.depth >= prefix.length)) continue;
      best = { root, full: [...real, ...wanted.slice(prefix.length)], depth: prefix.length };
    }
  }
  if (best === undefined) throw outsideRoots(path, roots);
  return best;
}

export const startsWith = (path: readonly Buffer[], prefix: readonly Buffer[]): boolean =>
  prefix.length <= path.length && prefix.every((component, index) => path[index]?.equals(component));

/**
 * Walks to a place in a root without following a link, and looks at each thing on the way. Errors: path_refused, and
 * those of the system.
 */
export async function walkInRoot(full: readonly Buffer[], root: Root, rules: FileRules, isProtected: IsProtected) {
  refuseForbidden(full, rules.allowSecrets);
  const rootDepth = splitPath(root.real).length;
  let rootStats: BigIntStats | undefined;
  const end = await walkDown(full, (stats, index) => {
    if (isProtected(stats)) {
      throw new PalyraError('path_refused', `${showPath(joinPath(full))} is in Palyra's own folder`);
    }
    if (index === rootDepth - 1) rootStats = stats;
  });
  if (rootStats === undefined) {
    await closeDescriptor(end.fd);
    throw new PalyraError('path_refused', `the root ${root.configured} was replaced by a link`, {
      hint: 'restart the node once it is right',
    });
  }
  return { end, root, rootStats };
}

/** Refuses what is on a file system whose files are the kernel talking. */
export async function refuseKernelFiles(fd: number, path: Buffer): Promise<void> {
  const { type } = await statfs(descriptorPath(fd));
  if (KERNEL_FILE_SYSTEMS.has(type)) {
    throw new PalyraError('path_refused', `${showPath(path)} belongs to the kernel, not to a disk`);
  }
}

export const linkRefused = (full: readonly Buffer[], linkAt: number, hint: string): PalyraError =>
  new PalyraError('path_refused', `${showPath(joinPath(full.slice(0, linkAt + 1)))} is a symbolic link`, { hint });
