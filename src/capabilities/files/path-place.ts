import { constants, fsync, lstat, realpath, stat, statfs } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { PalyraError } from '../../kernel/errors.ts';
import { closeDescriptor, openDescriptor } from './descriptor.ts';
import { type FileRules, outsideRoots } from './file-rules.ts';
import { refuseForbidden } from './forbidden-path.ts';
import type { HeldPlace } from './held-folder.ts';
import { isInside, type PathFileOptions, refuseLinks, refuseProtected } from './path-confinement.ts';
import { showPath } from './path-text.ts';
import { notAName, refuseUnfitFolder } from './unfit-file.ts';

const realpathAsync = promisify(realpath);
const statAsync = promisify(stat);
const lstatAsync = promisify(lstat);
const statfsAsync = promisify(statfs);
const fsyncAsync = promisify(fsync);

/** The folder of a path and the name in it, by names; who wins races within the call is told of in docs/security.md. */
export async function openPathPlace(path: Buffer, rules: FileRules, options: PathFileOptions): Promise<HeldPlace> {
  const text = options.check(path);
  const name = options.components(text).at(-1);
  if (name === undefined || /[\\/]$/.test(text)) throw notAName(path);
  const above = dirname(text);
  const real = await realpathAsync(above);
  const root = rules.roots.find((candidate) => isInside(real, candidate));
  if (root === undefined) throw outsideRoots(path, rules.roots);
  await refuseLinks(above, root, options);
  refuseForbidden(
    [...options.components(real), name].map((part) => Buffer.from(part)),
    rules.allowSecrets,
  );
  await refuseProtected(real, options.components(real), options);
  const [rootStats, stats] = await Promise.all([
    statAsync(root.real.toString(), { bigint: true }),
    lstatAsync(real, { bigint: true }),
  ]);
  refuseUnfitFolder(stats, rootStats, path, rules);
  return {
    name: Buffer.from(name),
    folder: {
      rule: root.rule,
      stats,
      rootStats,
      async whereInside() {
        const now = await lstatAsync(real, { bigint: true });
        if (now.dev !== stats.dev || now.ino !== stats.ino || (await realpathAsync(real)) !== real) {
          throw new PalyraError('path_refused', `${showPath(real)} was changed while it was used`);
        }
        return Buffer.from(real);
      },
      child: (other) => Buffer.from(join(real, other.toString())),
      async freeBytes() {
        const { bavail, bsize } = await statfsAsync(real);
        return bavail * bsize;
      },
      sync: () => syncFolder(real),
      close: async () => undefined,
    },
  };
}

async function syncFolder(path: string): Promise<void> {
  // There a folder cannot be opened; its names are durable without.
  if (process.platform === 'win32') return;
  const fd = await openDescriptor(path, constants.O_RDONLY);
  try {
    await fsyncAsync(fd);
  } finally {
    await closeDescriptor(fd);
  }
}
