import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { CodeKind } from '../pake/context.ts';

/** So many at once, and as many again in the course of `perMs`. */
export interface Rate {
  readonly count: number;
  readonly perMs: number;
}

/** Per source address and for everybody together. */
export interface SharedRate {
  readonly source: Rate;
  readonly all: Rate;
}

export interface PairingRates {
  readonly begin: Readonly<Record<CodeKind, SharedRate>>;
  readonly exchange: Readonly<Record<CodeKind, SharedRate>>;
}

const MINUTE = 60_000;

// security.md 2.5 and, for tokens, DESIGN 16.20. A flood of guesses at PINs never stops the machines with tokens.
const token: SharedRate = { source: { count: 2_400, perMs: MINUTE }, all: { count: 4_800, perMs: MINUTE } };
export const PAIRING_RATES: PairingRates = {
  begin: {
    pin: { source: { count: 10, perMs: 10 * MINUTE }, all: { count: 60, perMs: MINUTE } },
    token,
  },
  exchange: {
    pin: { source: { count: 10, perMs: 10 * MINUTE }, all: { count: 30, perMs: MINUTE } },
    token,
  },
};

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/** Sources remembered at most; beyond it the one that was refilled longest ago is forgotten. */
const SOURCES = 65_536;

/** Token buckets by key. A full bucket is not kept. */
class Buckets {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #byKey = new Map<string, Bucket>();

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** How long until one is free, ms; 0: now. */
  waitMs(key: string): number {
    const { tokens } = this.#filled(key);
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * this.#rate.perMs) / this.#rate.count);
  }

  take(key: string): void {
    const { tokens, filledAtMs } = this.#filled(key);
    // Taken out and put back: the map stays in the order of use.
    this.#byKey.delete(key);
    this.#byKey.set(key, { tokens: tokens - 1, filledAtMs });
    if (this.#byKey.size > SOURCES) {
      const oldest = this.#byKey.keys().next().value;
      if (oldest !== undefined) this.#byKey.delete(oldest);
    }
  }

  #filled(key: string): Bucket {
    const { count, perMs } = this.#rate;
    const now = this.#clock.monotonic();
    const bucket = this.#byKey.get(key);
    if (bucket === undefined) return { tokens: count, filledAtMs: now };
    const tokens = Math.min(count, bucket.tokens + ((now - bucket.filledAtMs) * count) / perMs);
    return { tokens, filledAtMs: now };
  }
}

/** One limit for each key. */
export class KeyedLimit {
  readonly #what: string;
  readonly #buckets: Buckets;

  constructor(what: string, rate: Rate, clock: Clock) {
    this.#what = what;
    this.#buckets = new Buckets(rate, clock);
  }

  /** Counts one. Errors: too_many_requests with `details.retry_after_ms`. */
  take(key: string): void {
    const waitMs = this.#buckets.waitMs(key);
    if (waitMs > 0) throw tooMany(`too many ${this.#what}`, waitMs);
    this.#buckets.take(key);
  }
}

/** One limit for each source and one for all of them. */
export class RateLimit {
  readonly #what: string;
  readonly #source: Buckets;
  readonly #all: Buckets;

  constructor(what: string, rate: SharedRate, clock: Clock) {
    this.#what = what;
    this.#source = new Buckets(rate.source, clock);
    this.#all = new Buckets(rate.all, clock);
  }

  /** Counts one. Errors: too_many_requests with `details.retry_after_ms`; nothing is counted then. */
  take(source: string): void {
    const waitMs = Math.max(this.#source.waitMs(source), this.#all.waitMs(''));
    if (waitMs > 0) throw tooMany(`too many ${this.#what}`, waitMs);
    this.#source.take(source);
    this.#all.take('');
  }
}

/** Errors of a limit carry when to come back. */
export const tooMany = (message: string, retryAfterMs: number): PalyraError =>
  new PalyraError('too_many_requests', message, {
    hint: `try again in ${Math.ceil(retryAfterMs / 1000)} s`,
    details: { retry_after_ms: retryAfterMs },
  });
