import type { Clock } from '../../kernel/clock.ts';
import { PalyraError } from '../../kernel/errors.ts';

const HOUR_MS = 3_600_000;
const HOURS = 24;

/** Bytes taken in the last 24 hours, by the hour; counted from the start of the node. */
export class DayQuota {
  readonly #hours = new Map<number, number>();

  /** Takes `bytes` of what is left of `limit`. Errors: too_many_requests, and nothing is taken. */
  take(bytes: number, limit: number, clock: Pick<Clock, 'monotonic'>): void {
    const hour = Math.floor(clock.monotonic() / HOUR_MS);
    let taken = 0;
    for (const [at, count] of this.#hours) {
      if (at <= hour - HOURS) this.#hours.delete(at);
      else taken += count;
    }
    if (taken + bytes > limit) {
      throw new PalyraError('too_many_requests', `${taken} bytes were written in the last 24 hours of ${limit}`, {
        hint: 'try again later; or its owner raises max_day_bytes in node-policy.json',
      });
    }
    this.#hours.set(hour, (this.#hours.get(hour) ?? 0) + bytes);
  }
}
