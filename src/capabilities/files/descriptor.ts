import { type BigIntStats, close, constants, fstat, open, read } from 'node:fs';
import { promisify } from 'node:util';

const openAsync = promisify(open);
const closeAsync = promisify(close);
const readAsync = promisify(read);

/** A bare file descriptor; close-on-exec, as Node opens all of them. */
export const openDescriptor = (path: string | Buffer, flags: number, mode?: number): Promise<number> =>
  openAsync(path, flags, mode);

export const closeDescriptor = (fd: number): Promise<void> => closeAsync(fd);

export const statDescriptor = (fd: number): Promise<BigIntStats> =>
  new Promise((resolve, reject) => {
    fstat(fd, { bigint: true }, (error, stats) => (error === null ? resolve(stats) : reject(error)));
  });

export async function readDescriptor(fd: number, target: Buffer, position: number): Promise<number> {
  const { bytesRead } = await readAsync(fd, target, 0, target.length, position);
  return bytesRead;
}

/** For bytes of a regular file: never waits for a FIFO's writer, never takes a terminal. */
export const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);
