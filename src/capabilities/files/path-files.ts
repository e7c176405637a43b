// For systems without paths through descriptors: the name is resolved, opened, and looked at again.
import type { BigIntStats } from 'node:fs';
import { lstat, opendir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import type { ConfinedFile, FileAccess, Want } from './confined-file.ts';
import { closeDescriptor, openDescriptor, readDescriptor, statDescriptor } from './descriptor.ts';
import { type FileRules, outsideRoots, type Root } from './file-rules.ts';
import { refuseForbidden } from './forbidden-path.ts';
import { pathFailure, showPath } from './path-text.ts';
import { protectedPlaces } from './protected-places.ts';
import { refuseKind, refuseUnfitStats } from './unfit-file.ts';

export interface PathFileOptions {
  readonly protectedPaths: readonly string[];
  /** The path as text; throws path_refused for forms that the system reads in a way of its own. */
  readonly check: (path: Buffer) => string;
  /** Names of a path below its root or drive. */
  readonly components: (path: string) => string[];
  /** With which a file is opened for reading. */
  readonly flags: number;
}

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

function isInside(path: string, { real }: Root): boolean {
  const root = real.toString();
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** Refuses a path below a root that is not spelt the way it really is: there is a link in it. */
async function refuseLinks(text: string, root: Root, { components }: PathFileOptions): Promise<void> {
  const wanted = components(text);
  const depth = [root.configured, root.real.toString()]
    .map((path) => components(path))
    .filter((prefix) => prefix.every((name, index) => wanted[index]?.toLowerCase() === name.toLowerCase()))
    .reduce((longest, { length }) => Math.max(longest, length), 0);
  let at = root.real.toString();
  for (const name of wanted.slice(depth)) {
    at = join(at, name);
    if ((await lstat(at)).isSymbolicLink()) {
      throw new PalyraError('path_refused', `${showPath(at)} is a symbolic link`, {
        hint: 'name what it points to; or its owner sets follow_symlinks in node-policy.json',
      });
    }
  }
}

async function refuseProtected(real: string, names: readonly string[], options: PathFileOptions): Promise<void> {
  const isProtected = await protectedPlaces(options.protectedPaths);
  let at = real;
  for (let left = names.length; left >= 0; left -= 1) {
    if (isProtected(await stat(at, { bigint: true }))) {
      throw new PalyraError('path_refused', `${showPath(real)} is in Palyra's own folder`);
    }
    at = join(at, '..');
  }
}
