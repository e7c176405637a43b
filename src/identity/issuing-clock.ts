import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';

/**
 * The time that certificates are signed by. A clock that went back by more than LIMITS.clockBackMs behind the latest
 * time that the daemon knows of is not believed: what it signs would end too early, or begin before its issuer.
 */
export class IssuingClock {
  readonly #clock: Clock;
  #known: number;
  #knownAtMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#known = clock.now();
    this.#knownAtMs = clock.monotonic();
  }

  /** It is at least this late: something was signed then. */
  knows(unixMs: number): void {
    if (unixMs <= this.#expected()) return;
    this.#known = unixMs;
    this.#knownAtMs = this.#clock.monotonic();
  }

  /** The time now. Throws `clock_skew` when the clock went back. */
  now(): number {
    const now = this.#clock.now();
    const behindMs = Math.round(this.#expected() - now);
    if (behindMs > LIMITS.clockBackMs) {
      throw new PalyraError('clock_skew', `the clock of the daemon is ${Math.round(behindMs / 1000)} s behind itself`, {
        hint: 'set the clock of the daemon machine, then start the daemon again',
        details: { behind_ms: behindMs },
      });
    }
    this.knows(now);
    return now;
  }

  #expected(): number {
    return this.#known + this.#clock.monotonic() - this.#knownAtMs;
  }
}
