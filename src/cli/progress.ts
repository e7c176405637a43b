import prettyBytes from 'pretty-bytes';
import type { Clock } from '../kernel/clock.ts';

const STEP_MS = 250;

/** How far a transfer is, in one line of a terminal; silent elsewhere. */
export class Progress {
  readonly #clock: Clock;
  readonly #shown: boolean;
  #bytes = 0;
  #next: number;

  constructor(clock: Clock, stream: NodeJS.WriteStream = process.stderr) {
    this.#clock = clock;
    this.#shown = stream.isTTY;
    this.#next = clock.monotonic() + STEP_MS;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (!this.#shown || this.#clock.monotonic() < this.#next) return;
    this.#next = this.#clock.monotonic() + STEP_MS;
    process.stderr.write(`\r\u001b[K${prettyBytes(this.#bytes, { binary: true })}`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shown) process.stderr.write('\r\u001b[K');
  }
}
