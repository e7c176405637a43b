import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const CONTROL_BYTES = 16;
const CALLS_AT = 8;

/** A disk of a known speed: what is preloaded into a process, and the file that steers it while it runs. */
export class SlowSync {
  /** Of the process that is to have it. */
  readonly env: Readonly<Record<string, string>>;
  readonly #fd: number;

  private constructor(env: Readonly<Record<string, string>>, fd: number) {
    this.env = env;
    this.#fd = fd;
  }

  /** Undefined where there is no C compiler: then the real disk is what is measured. */
  static make(place: string): SlowSync | undefined {
    // Its own: a library that a process has loaded must not be written again.
    const folder = mkdtempSync(join(place, 'sync-'));
    const library = join(folder, 'slow-sync.so');
    const control = join(folder, 'slow-sync.control');
    try {
      execFileSync('cc', ['-shared', '-fPIC', '-O2', '-o', library, join(import.meta.dirname, 'slow-sync.c'), '-ldl'], {
        stdio: 'pipe',
      });
    } catch {
      return undefined;
    }
    writeFileSync(control, Buffer.alloc(CONTROL_BYTES));
    return new SlowSync({ LD_PRELOAD: library, PALYRA_BENCH_SYNC: control }, openSync(control, 'r+'));
  }

  /** Each sync from now on takes this much longer. */
  set waitUs(us: number) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(us);
    writeSync(this.#fd, bytes, 0, bytes.length, 0);
  }

  /** Syncs since the process started. */
  get calls(): number {
    const bytes = Buffer.alloc(8);
    readSync(this.#fd, bytes, 0, bytes.length, CALLS_AT);
    return Number(bytes.readBigUInt64LE());
  }

  close(): void {
    closeSync(this.#fd);
  }
}
