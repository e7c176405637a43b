// Linux: real pipes for the standard streams. What Node calls a pipe is a socket: a program that opens /dev/stderr or
// /dev/stdin then fails with "No such device or address", and bash takes the node for rshd and reads ~/.bashrc.
// Node cannot make pipes. A FIFO would do, were it not that opening one waits for the other end. bash can make some.
import { chownSync, closeSync, constants, openSync, writeSync } from 'node:fs';
import { execa } from 'execa';
import { systemCode } from '../../kernel/errors.ts';
import { descriptorPath, O_PATH } from '../files/descriptor-walk.ts';

const PER_BATCH = 16;
/** Idle pipes that are kept; each is one descriptor. */
const MOST_IDLE = 96;
const LONGEST_MS = 5000;

// Opens that many pipes, each for reading and writing, says their numbers, and waits for the end of its input.
const MAKE_PIPES = 'for ((i = 0; i < $1; i++)); do exec {p}<> <(:); echo $p; done; echo; read -r _';

/** Both ends of a pipe, open. */
export interface OpenPipe {
  readonly readFd: number;
  readonly writeFd: number;
  /** Gives it back for the next request; both ends must be closed, and the writing one seen closed by all. */
  recycle(): void;
  /** Lets it go for good; the ends stay as they are. */
  discard(): void;
}

/** Pipes, made a batch at a time and used again. */
export class PipePool {
  readonly #fresh: number[] = [];
  readonly #used: number[] = [];
  #filling: Promise<void> | undefined;
  #impossible = false;
  readonly #shell: string;

  constructor(shell = 'bash') {
    this.#shell = shell;
  }

  /** Makes the first pipes, so that no request has to wait for them. */
  async warm(): Promise<void> {
    if (this.#fresh.length === 0 && !this.#impossible) await this.#refill();
  }

  /**
   * A pipe; undefined on a machine that cannot make one. For another user it is a new one that belongs to that user
   * and is never used again: a program may have kept a hold of it.
   */
  async take(owner?: { readonly uid: number; readonly gid: number }): Promise<OpenPipe | undefined> {
    let anchor = owner === undefined ? this.#used.pop() : undefined;
    anchor ??= this.#fresh.pop();
    while (anchor === undefined) {
      if (this.#impossible) return undefined;
      await this.#refill();
      anchor = this.#fresh.pop();
    }
    const held = anchor;
    try {
      return openPipe(held, owner, () => {
        if (owner === undefined && this.#used.length < MOST_IDLE && !hasReader(held)) this.#used.push(held);
        else closeSync(held);
      });
    } catch (error) {
      closeSync(held);
      throw error;
    }
  }

  #refill(): Promise<void> {
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  async #fill(): Promise<void> {
    const helper = execa(this.#shell, ['--norc', '-p', '-c', MAKE_PIPES, 'pipes', String(PER_BATCH)], {
      reject: false,
      extendEnv: false,
      env: { PATH: '/usr/bin:/bin' },
      stdio: ['pipe', 'pipe', 'ignore'],
      cwd: '/',
      cleanup: false,
      timeout: LONGEST_MS,
    });
    let made = 0;
    try {
      for await (const line of helper) {
        // The empty line is the last one: the helper goes, and with it this loop.
        if (line === '') {
          helper.stdin.end();
          continue;
        }
        // Names the pipe without being one of its ends: so it outlives the helper, and end of file can be seen.
        this.#fresh.push(openSync(`/proc/${helper.pid}/fd/${line}`, O_PATH));
        made += 1;
      }
    } catch (error) {
      // Somewhere even own processes are hidden; the streams are Node's then.
      if (systemCode(error) === undefined) throw error;
      helper.kill();
    }
    await helper;
    this.#impossible = made === 0;
  }
}

function openPipe(
  anchor: number,
  owner: { readonly uid: number; readonly gid: number } | undefined,
  recycle: () => void,
): OpenPipe {
  const path = descriptorPath(anchor);
  // Or that user could not open its own /dev/stderr.
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  const writeFd = openSync(path, constants.O_WRONLY);
  try {
    return { readFd: openSync(path, constants.O_RDONLY), writeFd, recycle, discard: () => closeSync(anchor) };
  } catch (error) {
    closeSync(writeFd);
    throw error;
  }
}

/** Somebody who kept the reading end would get bytes of the next request. */
function hasReader(anchor: number): boolean {
  const fd = openSync(descriptorPath(anchor), constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    writeSync(fd, '\n');
    return true;
  } catch (error) {
    if (systemCode(error) === 'EPIPE') return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}
