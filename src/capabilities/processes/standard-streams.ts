import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import type { OpenPipe, PipePool } from './pipe-pool.ts';

/** The three standard streams of a program that is about to start, both sides. */
export interface StandardStreams {
  /** What the child gets as 0, 1 and 2. */
  readonly childFds: readonly ['ignore' | number, number, number];
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Closes the child's ends here: it has them by now, or never will. */
  handedOver(): void;
  /** Closes our ends: the program did not start. */
  destroy(): void;
}

/** Opens pipes for a program; undefined where there are none (the caller takes what Node offers). */
export async function openStreams(
  pool: Pick<PipePool, 'take'>,
  withStdin: boolean,
  owner?: { readonly uid: number; readonly gid: number },
): Promise<StandardStreams | undefined> {
  const pipes: OpenPipe[] = [];
  for (let count = withStdin ? 3 : 2; count > 0; count -= 1) {
    const pipe = await pool.take(owner);
    if (pipe === undefined) break;
    pipes.push(pipe);
  }
  const [out, err, input] = pipes;
  if (out === undefined || err === undefined || (withStdin && input === undefined)) {
    for (const pipe of pipes) abandon(pipe);
    return undefined;
  }
  const stdout = outputOf(out);
  const stderr = outputOf(err);
  const stdin = input === undefined ? undefined : inputOf(input);
  const childFds = [input?.readFd ?? 'ignore', out.writeFd, err.writeFd] as const;
  return {
    childFds,
    stdin,
    stdout,
    stderr,
    handedOver() {
      for (const fd of childFds) if (fd !== 'ignore') closeSync(fd);
    },
    destroy() {
      stdout.destroy();
      stderr.destroy();
      stdin?.destroy();
    },
  };
}

function outputOf(pipe: OpenPipe): Readable {
  const stream = new Socket({ fd: pipe.readFd, readable: true, writable: false });
  // Only after its end is it sure that no program holds the writing side.
  stream.once('close', () => (stream.readableEnded ? pipe.recycle() : pipe.discard()));
  return stream;
}

function inputOf(pipe: OpenPipe): Writable {
  const stream = new Socket({ fd: pipe.writeFd, readable: false, writable: true });
  stream.once('close', () => pipe.discard());
  return stream;
}

function abandon(pipe: OpenPipe): void {
  closeSync(pipe.readFd);
  closeSync(pipe.writeFd);
  pipe.discard();
}
