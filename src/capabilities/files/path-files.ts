// For systems without paths through descriptors: the name is resolved, opened, and looked at again.
import type { BigIntStats } from 'node:fs';
import { lstat, opendir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import type { ConfinedFile, FileAccess, Want } from './confined-file.ts';
import { closeDescriptor, openDescriptor, readDescriptor, statDescriptor } from './descriptor.ts';
import { type FileRules, outsideRoots, type Root } from './file-rules.ts';
import { refuseForbidden } from './forbidden-path.ts';
import { isInside, type PathFileOptions, refuseLinks, refuseProtected } from './path-confinement.ts';
import { openPathPlace } from './path-place.ts';
import { pathFailure, showPath } from './path-text.ts';
import { refuseKind, refuseUnfitStats } from './unfit-file.ts';

/**
 * Confinement by names. Somebody who can write in a root, and wins two races within one call, can get out of it:
 * docs/security.md says so, and the policy should name roots that only trusted users write to.
 */
export const pathFiles = (options: PathFileOptions): FileAccess => ({
  unavailable: () => undefined,
  async open(path, want, rules) {
    try {
      return await openByName(path, want, rules, options);
    } catch (error) {
      throw pathFailure(error, path);
    }
  },
  async place(path, rules) {
    try {
      return await openPathPlace(path, rules, options);
    } catch (error) {
      throw pathFailure(error, path);
    }
  },
});

async function openByName(path: Buffer, want: Want, rules: FileRules, options: PathFileOptions): Promise<ConfinedFile> {
  const text = options.check(path);
  const real = await realpath(text);
  const root = rules.roots.find((candidate) => isInside(real, candidate));
  if (root === undefined) throw outsideRoots(path, rules.roots);
  if (!rules.followSymlinks) await refuseLinks(text, root, options);
  const names = options.components(real);
  refuseForbidden(
    names.map((name) => Buffer.from(name)),
    rules.allowSecrets,
  );
  await refuseProtected(real, names, options);
  const rootStats = await stat(root.real.toString(), { bigint: true });
  const before = await lstat(real, { bigint: true });
  refuseUnfitStats(before, rootStats, path, rules);
  refuseKind(before, path, want);
  if (want !== 'file') return namedFile(real, before, root.rule);
  return openContent(real, before, root, path, options.flags);
}

async function openContent(real: string, before: BigIntStats, root: Root, path: Buffer, flags: number) {
  const fd = await openDescriptor(real, flags);
  try {
    const stats = await statDescriptor(fd);
    const moved = stats.dev !== before.dev || stats.ino !== before.ino || (await realpath(real)) !== real;
    if (moved) throw new PalyraError('path_refused', `${showPath(path)} was changed while it was opened`);
    return {
      ...namedFile(real, stats, root.rule),
      stat: () => statDescriptor(fd),
      read: (target: Buffer, position: number) => readDescriptor(fd, target, position),
      close: () => closeDescriptor(fd),
    };
  } catch (error) {
    await closeDescriptor(fd);
    throw error;
  }
}

const namedFile = (real: string, stats: BigIntStats, rule: string): ConfinedFile => ({
  rule,
  stats,
  stat: () => lstat(real, { bigint: true }),
  read: async () => 0,
  async *names() {
    for await (const entry of await opendir(real)) yield Buffer.from(entry.name);
  },
  async entry(name) {
    try {
      return await lstat(join(real, name.toString()), { bigint: true });
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  },
  close: async () => undefined,
});
