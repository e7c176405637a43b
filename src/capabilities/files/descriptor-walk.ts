// Linux: a path is walked name by name through descriptors, so that nobody can change what was checked already.
import { type BigIntStats, constants, existsSync, readlink } from 'node:fs';
import { promisify } from 'node:util';
import { closeDescriptor, openDescriptor, statDescriptor } from './descriptor.ts';

/** Of Linux (the same on x64 and arm64), unknown to node:fs: names a thing without opening it, so no device wakes up. */
export const O_PATH = 0o10000000;

/** Why nothing of this can work here; undefined when it can. */
export const procMissing = (): string | undefined =>
  existsSync('/proc/self/fd') ? undefined : '/proc is not mounted on the node';

const readlinkAsync = promisify(readlink);

/** The path of a descriptor, for calls that know only paths. */
export const descriptorPath = (fd: number): string => `/proc/self/fd/${fd}`;

/** The path of a name in a folder that is open as `fd`. */
export const childPath = (fd: number, name: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name]);

/** Where the thing behind a descriptor lies, as the kernel says at this moment. */
export const realPathOf = (fd: number): Promise<Buffer> => readlinkAsync(descriptorPath(fd), { encoding: 'buffer' });

export interface WalkEnd {
  /** An O_PATH descriptor; the caller closes it. */
  readonly fd: number;
  readonly stats: BigIntStats;
  /** Index of the component that is a symbolic link; nothing after it was looked at. */
  readonly linkAt: number | undefined;
}

/**
 * Walks from `/` down without following any link. `inspect` sees each thing on the way (index -1 is `/`) and may
 * throw. Rejects with the system's error where a component is missing or cannot be entered.
 */
export async function walkDown(
  components: readonly Buffer[],
  inspect: (stats: BigIntStats, index: number) => void,
): Promise<WalkEnd> {
  let fd = await openDescriptor('/', O_PATH | constants.O_DIRECTORY);
  try {
    let stats = await statDescriptor(fd);
    inspect(stats, -1);
    for (const [index, name] of components.entries()) {
      const next = await openDescriptor(childPath(fd, name), O_PATH | constants.O_NOFOLLOW);
      const parent = fd;
      fd = next;
      [stats] = await Promise.all([statDescriptor(fd), closeDescriptor(parent)]);
      if (stats.isSymbolicLink()) return { fd, stats, linkAt: index };
      inspect(stats, index);
    }
    return { fd, stats, linkAt: undefined };
  } catch (error) {
    await closeDescriptor(fd);
    throw error;
  }
}
