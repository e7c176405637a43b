export interface BackoffOptions {
  readonly firstMs: number;
  readonly longestMs: number;
  /** A number in [0, 1); a test gives its own. */
  readonly random?: () => number;
}

/** Exponential backoff with full jitter: each wait is uniform in [0, ceiling), the ceiling doubles up to `longestMs`. */
export class Backoff {
  #ceilingMs: number;
  readonly #options: BackoffOptions;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#ceilingMs = options.firstMs;
  }

  /** The next wait in ms; never shorter than `retryAfterMs`, which the other side asked for. */
  next(retryAfterMs = 0): number {
    const { longestMs, random = Math.random } = this.#options;
    const wait = random() * this.#ceilingMs;
    this.#ceilingMs = Math.min(this.#ceilingMs * 2, longestMs);
    return retryAfterMs > 0 ? retryAfterMs + wait : wait;
  }

  /** After a success the next failure starts small again. */
  reset(): void {
    this.#ceilingMs = this.#options.firstMs;
  }
}
