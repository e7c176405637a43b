// Linux: real pipes for the standard streams. What Node calls a pipe is a socket, and a program that opens
// /dev/stderr or /dev/stdin then fails with "No such device or address". Node cannot make pipes; mkfifo can.
import { chownSync, closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { systemCode } from '../../kernel/errors.ts';
import { descriptorPath, O_PATH } from '../files/descriptor-walk.ts';

const PER_BATCH = 24;
/** Idle pipes that are kept; each is one descriptor. */
const MOST_IDLE = 96;

/** Both ends of a pipe, open. */
export interface OpenPipe {
  readonly readFd: number;
  readonly writeFd: number;
  /** Gives it back for the next request; both ends must be closed, and the writing one seen closed by all. */
  recycle(): void;
  /** Lets it go for good; the ends stay as they are. */
  discard(): void;
}

/** Nameless FIFOs, made a batch at a time and used again. */
export class PipePool {
  readonly #idle: number[] = [];
  #filling: Promise<void> | undefined;
  #impossible = false;

  /**
   * A pipe; undefined on a machine that cannot make one. For another user it is a new one that belongs to that user
   * and is never used again: a program may have kept its inode.
   */
  async take(owner?: { readonly uid: number; readonly gid: number }): Promise<OpenPipe | undefined> {
    while (this.#idle.length === 0) {
      if (this.#impossible) return undefined;
      this.#filling ??= this.#fill().finally(() => {
        this.#filling = undefined;
      });
      await this.#filling;
    }
    const anchor = owner === undefined ? this.#idle.pop() : this.#idle.shift();
    if (anchor === undefined) return undefined;
    try {
      const path = descriptorPath(anchor);
      if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
      return this.#open(anchor, path, owner === undefined);
    } catch (error) {
      closeSync(anchor);
      throw error;
    }
  }

  #open(anchor: number, path: string, reusable: boolean): OpenPipe {
    // The first end must not wait for the second; with both there, the program's end waits as programs expect.
    const probe = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writeFd = openSync(path, constants.O_WRONLY);
    const readFd = openSync(path, constants.O_RDONLY);
    closeSync(probe);
    const discard = (): void => closeSync(anchor);
    const recycle = (): void => {
      if (reusable && this.#idle.length < MOST_IDLE && !hasReader(path)) this.#idle.push(anchor);
      else discard();
    };
    return { readFd, writeFd, recycle, discard };
  }

  async #fill(): Promise<void> {
    let folder: string;
    try {
      folder = mkdtempSync(join(tmpdir(), 'palyra-pipes-'));
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      this.#impossible = true;
      return;
    }
    const paths = Array.from({ length: PER_BATCH }, (_, index) => join(folder, String(index)));
    const made = await execa('mkfifo', ['-m', '600', ...paths], {
      reject: false,
      extendEnv: false,
      env: { PATH: '/usr/bin:/bin' },
      stdio: 'ignore',
      cleanup: false,
    });
    try {
      if (!made.failed) for (const path of paths) this.#idle.push(openSync(path, O_PATH | constants.O_NOFOLLOW));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    this.#impossible = made.failed;
  }
}

/** A reader that is left could take bytes of the next request. */
function hasReader(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENXIO') return false;
    throw error;
  }
}
