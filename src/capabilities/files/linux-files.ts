import type { BigIntStats } from 'node:fs';
import { lstat, opendir, statfs } from 'node:fs/promises';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import type { ConfinedFile, FileAccess, Want } from './confined-file.ts';
import { closeDescriptor, openDescriptor, READ_FLAGS, readDescriptor, statDescriptor } from './descriptor.ts';
import {
  childPath,
  descriptorPath,
  O_PATH,
  procMissing,
  realPathOf,
  type WalkEnd,
  walkDown,
} from './descriptor-walk.ts';
import { type FileRules, outsideRoots, type Root } from './file-rules.ts';
import { refuseForbidden } from './forbidden-path.ts';
import { joinPath, pathFailure, posixComponents, showPath, splitPath } from './path-text.ts';
import { protectedPlaces } from './protected-places.ts';
import { refuseKind, refuseUnfitStats } from './unfit-file.ts';

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

/** Confinement by descriptors (security.md 7.1): no name that was checked is ever looked up again. Needs /proc. */
export function linuxFiles(protectedPaths: readonly string[]): FileAccess {
  return {
    unavailable: procMissing,
    async open(path, want, rules) {
      try {
        return await openConfined(path, want, rules, await protectedPlaces(protectedPaths));
      } catch (error) {
        throw pathFailure(error, path);
      }
    },
  };
}

type IsProtected = (stats: BigIntStats) => boolean;

async function openConfined(path: Buffer, want: Want, rules: FileRules, isProtected: IsProtected) {
  const { root, full } = placeInRoot(posixComponents(path), rules.roots, path);
  let found = await walkInRoot(full, root, rules, isProtected);
  const ownLink = found.end.linkAt === full.length - 1 && want === 'any' && !rules.followSymlinks;
  if (found.end.linkAt !== undefined && !ownLink) {
    await closeDescriptor(found.end.fd);
    const target = await followLink(full, found.end.linkAt, root, rules);
    found = await walkInRoot(target.full, target.root, rules, isProtected);
    if (found.end.linkAt !== undefined) {
      await closeDescriptor(found.end.fd);
      throw new PalyraError('path_refused', `${showPath(path)} was changed while it was opened`);
    }
  }
  return finish(found, path, want, rules);
}

interface Found {
  readonly end: WalkEnd;
  readonly root: Root;
  readonly rootStats: BigIntStats;
}

/** Which root a path is in, by its text: under the name the policy has, or the real one. The longest wins. */
function placeInRoot(wanted: readonly Buffer[], roots: readonly Root[], path: Buffer): { root: Root; full: Buffer[] } {
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

const startsWith = (path: readonly Buffer[], prefix: readonly Buffer[]): boolean =>
  prefix.length <= path.length && prefix.every((component, index) => path[index]?.equals(component));

async function walkInRoot(full: readonly Buffer[], root: Root, rules: FileRules, isProtected: IsProtected) {
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

/** Where a link inside a root leads, as the kernel resolves it; the answer is walked and checked like any path. */
async function followLink(full: readonly Buffer[], linkAt: number, root: Root, rules: FileRules) {
  const link = showPath(joinPath(full.slice(0, linkAt + 1)));
  if (!rules.followSymlinks) {
    throw new PalyraError('path_refused', `${link} is a symbolic link`, {
      hint: 'name what it points to; or its owner sets follow_symlinks in node-policy.json',
    });
  }
  const fd = await openDescriptor(joinPath(full), O_PATH);
  try {
    const target = splitPath(await realPathOf(fd));
    const inside = rules.roots.find(({ real }) => startsWith(target, splitPath(real)));
    if (inside === undefined) {
      throw new PalyraError('path_outside_roots', `${link} leads out of the root ${root.configured}`);
    }
    return { full: target, root: inside };
  } finally {
    await closeDescriptor(fd);
  }
}

async function finish({ end, root, rootStats }: Found, path: Buffer, want: Want, rules: FileRules) {
  let { fd, stats } = end;
  try {
    refuseUnfitStats(stats, rootStats, path, rules);
    if (stats.dev !== rootStats.dev) await refuseKernelFiles(fd, path);
    refuseKind(stats, path, want);
    if (want === 'file') {
      const content = await openDescriptor(descriptorPath(fd), READ_FLAGS);
      await closeDescriptor(fd);
      fd = content;
      stats = await statDescriptor(fd);
    }
    return linuxFile(fd, stats, root.rule);
  } catch (error) {
    await closeDescriptor(fd);
    throw error;
  }
}

async function refuseKernelFiles(fd: number, path: Buffer): Promise<void> {
  const { type } = await statfs(descriptorPath(fd));
  if (KERNEL_FILE_SYSTEMS.has(type)) {
    throw new PalyraError('path_refused', `${showPath(path)} belongs to the kernel, not to a disk`);
  }
}

const linuxFile = (fd: number, stats: BigIntStats, rule: string): ConfinedFile => ({
  rule,
  stats,
  stat: () => statDescriptor(fd),
  read: (target, position) => readDescriptor(fd, target, position),
  async *names() {
    // The types know only text here; with this encoding the names come as bytes.
    const folder = await opendir(descriptorPath(fd), { encoding: 'buffer' as BufferEncoding, bufferSize: 256 });
    for await (const entry of folder) yield entry.name as unknown as Buffer;
  },
  async entry(name) {
    try {
      return await lstat(childPath(fd, name), { bigint: true });
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  },
  close: () => closeDescriptor(fd),
});
