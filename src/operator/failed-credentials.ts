import { LRUCache } from 'lru-cache';
import type { Clock } from '../kernel/clock.ts';
import { LIMITS } from '../kernel/limits.ts';

interface Window {
  readonly until: number;
  count: number;
}

const SOURCES = 10_000;

/** Counts failed credentials per source and in all, in windows of five minutes. */
export class FailedCredentials {
  readonly #clock: Clock;
  readonly #sources = new LRUCache<string, Window>({ max: SOURCES });
  #all: Window = { until: 0, count: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes one failure; the ms to wait when there were too many, else 0. */
  note(source: string): number {
    const now = this.#clock.monotonic();
    if (this.#all.until <= now) this.#all = { until: now + LIMITS.failedCredentialsMs, count: 0 };
    let own = this.#sources.get(source);
    if (own === undefined || own.until <= now) {
      own = { until: now + LIMITS.failedCredentialsMs, count: 0 };
      this.#sources.set(source, own);
    }
    this.#all.count += 1;
    own.count += 1;
    if (own.count > LIMITS.failedCredentialsPerSource) return own.until - now;
    return this.#all.count > LIMITS.failedCredentials ? this.#all.until - now : 0;
  }
}
