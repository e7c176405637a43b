import type { BigIntStats } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import type { ConfinedFile, FileAccess, Want } from './confined-file.ts';
import { closeDescriptor, openDescriptor, READ_FLAGS, readDescriptor, statDescriptor } from './descriptor.ts';
import { childPath, descriptorPath, O_PATH, procMissing, realPathOf } from './descriptor-walk.ts';
import type { FileRules, Root } from './file-rules.ts';
import { openPlace } from './linux-place.ts';
import {
  type Found,
  type IsProtected,
  linkRefused,
  placeInRoot,
  refuseKernelFiles,
  startsWith,
  walkInRoot,
} from './linux-walk.ts';
import { joinPath, pathFailure, posixComponents, showPath, splitPath } from './path-text.ts';
import { protectedPlaces } from './protected-places.ts';
import { refuseKind, refuseUnfitStats } from './unfit-file.ts';

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
    async place(path, rules) {
      try {
        return await openPlace(path, rules, await protectedPlaces(protectedPaths));
      } catch (error) {
        throw pathFailure(error, path);
      }
    },
  };
}

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

/** Where a link inside a root leads, as the kernel resolves it; the answer is walked and checked like any path. */
async function followLink(full: readonly Buffer[], linkAt: number, root: Root, rules: FileRules) {
  if (!rules.followSymlinks) {
    throw linkRefused(full, linkAt, 'name what it points to; or its owner sets follow_symlinks in node-policy.json');
  }
  const fd = await openDescriptor(joinPath(full), O_PATH);
  try {
    const target = splitPath(await realPathOf(fd));
    const inside = rules.roots.find(({ real }) => startsWith(target, splitPath(real)));
    if (inside === undefined) {
      const link = showPath(joinPath(full.slice(0, linkAt + 1)));
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
