import { createHash } from 'node:crypto';
import { type BigIntStats, closeSync, constants, openSync, readSync } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { closeDescriptor, openDescriptor, READ_FLAGS, readDescriptor, statDescriptor } from '../files/descriptor.ts';
import { descriptorPath, O_PATH, realPathOf } from '../files/descriptor-walk.ts';
import { pathFailure, showPath } from '../files/path-text.ts';
import { chainFault } from './path-chain.ts';
import type { OpenedProgram } from './process-host.ts';

/** Machine code as this process is made of, by the first bytes of a file. */
export type NativeTest = (header: Buffer) => boolean;

/** Opens the program at an absolute path and holds it: what is checked now is what runs. */
export async function openLinuxProgram(path: string, native: NativeTest): Promise<OpenedProgram> {
  let fd: number;
  try {
    fd = await openDescriptor(path, O_PATH);
  } catch (error) {
    throw programFailure(error, path);
  }
  try {
    // What is no regular file is not opened any further: a device would notice.
    assertRegular(await statDescriptor(fd), path);
    const [realPath, code] = await Promise.all([realPathOf(fd), isNative(fd, native), assertExecutable(fd, path)]);
    return linuxProgram(fd, path, realPath.toString(), code);
  } catch (error) {
    await closeDescriptor(fd);
    throw error;
  }
}

/** The first executable file of that name, as a shell looks for one. */
export async function findLinuxProgram(
  name: string,
  folders: readonly string[],
  native: NativeTest,
): Promise<OpenedProgram> {
  let unusable: unknown;
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      if ((await stat(path)).isFile()) return await openLinuxProgram(path, native);
    } catch (error) {
      if (error instanceof PalyraError) unusable ??= error;
      else if (systemCode(error) === 'EACCES') unusable ??= programFailure(error, path);
      else if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCode(error) ?? '')) throw programFailure(error, path);
    }
  }
  if (unusable instanceof Error) throw unusable;
  throw new PalyraError('program_not_found', `no program ${showPath(name)} on the node`, {
    hint: `looked in ${folders.join(':')}; give an absolute path, or its owner extends path in node-policy.json`,
  });
}

function programFailure(error: unknown, path: string): Error {
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ENAMETOOLONG':
      return new PalyraError('program_not_found', `no program ${showPath(path)} on the node`, { cause: error });
    case 'EACCES':
    case 'EPERM':
    case 'ELOOP':
      return new PalyraError('program_not_executable', `the node may not execute ${showPath(path)}`, { cause: error });
    case undefined:
    default:
      return pathFailure(error, path);
  }
}

function assertRegular(stats: BigIntStats, path: string): void {
  if (stats.isFile()) return;
  const what = stats.isDirectory() ? 'a folder' : 'no regular file';
  throw new PalyraError('program_not_executable', `${showPath(path)} is ${what}`);
}

async function assertExecutable(fd: number, path: string): Promise<void> {
  try {
    await access(descriptorPath(fd), constants.X_OK);
  } catch (error) {
    throw programFailure(error, path);
  }
}

// Offsets of the ELF header: class, byte order, machine.
const HEADER_BYTES = 20;
const MACHINE = 18;

/** Compares with the program of this process: what runs here without help runs anywhere here. */
export function nativeTest(): NativeTest {
  const own = Buffer.alloc(HEADER_BYTES);
  const fd = openSync('/proc/self/exe', 'r');
  readSync(fd, own);
  closeSync(fd);
  return (other) =>
    own.subarray(0, 6).equals(other.subarray(0, 6)) && own.subarray(MACHINE).equals(other.subarray(MACHINE));
}

/** Whether the kernel needs no interpreter for it. */
async function isNative(fd: number, native: NativeTest): Promise<boolean> {
  try {
    return native(await header(descriptorPath(fd)));
  } catch (error) {
    // What we may execute but not read is no script: its interpreter could not read it either.
    if (systemCode(error) === 'EACCES') return true;
    throw error;
  }
}

async function header(path: string): Promise<Buffer> {
  const fd = await openDescriptor(path, READ_FLAGS);
  try {
    const bytes = Buffer.alloc(HEADER_BYTES);
    return bytes.subarray(0, await readDescriptor(fd, bytes, 0));
  } finally {
    await closeDescriptor(fd);
  }
}

const linuxProgram = (fd: number, path: string, realPath: string, native: boolean): OpenedProgram => ({
  fd,
  path,
  realPath,
  native,
  changeableBy: () =>
    chainFault(path, [0, process.geteuid?.() ?? 0]) ?? chainFault(realPath, [0, process.geteuid?.() ?? 0]),
  onlyRootChanges: () => chainFault(path, [0]) === undefined,
  async sha256() {
    const content = await openDescriptor(descriptorPath(fd), READ_FLAGS);
    try {
      const digest = createHash('sha256');
      const chunk = Buffer.allocUnsafe(LIMITS.chunkBytes);
      let at = 0;
      for (;;) {
        const count = await readDescriptor(content, chunk, at);
        if (count === 0) return digest.digest('hex');
        digest.update(chunk.subarray(0, count));
        at += count;
      }
    } finally {
      await closeDescriptor(content);
    }
  },
  close: () => closeDescriptor(fd),
});
