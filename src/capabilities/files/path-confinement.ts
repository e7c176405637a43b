import { lstat, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { PalyraError } from '../../kernel/errors.ts';
import type { Root } from './file-rules.ts';
import { showPath } from './path-text.ts';
import { protectedPlaces } from './protected-places.ts';

export interface PathFileOptions {
  readonly protectedPaths: readonly string[];
  /** The path as text; throws path_refused for forms that the system reads in a way of its own. */
  readonly check: (path: Buffer) => string;
  /** Names of a path below its root or drive. */
  readonly components: (path: string) => string[];
  /** With which a file is opened for reading. */
  readonly flags: number;
}

export function isInside(path: string, { real }: Root): boolean {
  const root = real.toString();
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** Refuses a path below a root that is not spelt the way it really is: there is a link in it. */
export async function refuseLinks(text: string, root: Root, { components }: PathFileOptions): Promise<void> {
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

export async function refuseProtected(real: string, names: readonly string[], options: PathFileOptions): Promise<void> {
  const isProtected = await protectedPlaces(options.protectedPaths);
  let at = real;
  for (let left = names.length; left >= 0; left -= 1) {
    if (isProtected(await stat(at, { bigint: true }))) {
      throw new PalyraError('path_refused', `${showPath(real)} is in Palyra's own folder`);
    }
    at = join(at, '..');
  }
}
