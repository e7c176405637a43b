import type { Clock } from '../kernel/clock.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { OwnEnding } from './ending.ts';
import type { LiveRequest } from './live-request.ts';

const QUEUE_EXPIRED: OwnEnding = {
  state: 'expired',
  code: 'queue_expired',
  message: 'the node did not come back in time; it was never started',
  hint: 'try again with a longer --queue-ttl',
};
const RUN_EXPIRED: OwnEnding = {
  state: 'timed_out',
  code: 'timed_out',
  message: 'the run time limit was reached and the node did not report in time',
};
const NEVER_REPORTED: OwnEnding = {
  state: 'interrupted',
  code: 'interrupted',
  message: 'the node took the request and never reported what became of it',
};

/**
 * The daemon's own clocks of a request: the queue limit while it waits here, and the run time (with some slack, for the
 * node enforces it first) once it was handed over. Nothing stays open past them, whatever a node does.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #end: (live: LiveRequest, ending: OwnEnding) => void;

  constructor(clock: Clock, end: (live: LiveRequest, ending: OwnEnding) => void) {
    this.#clock = clock;
    this.#end = end;
  }

  /** Sets the timer that fits the state of the request; again at each change. */
  arm(live: LiveRequest): void {
    live.stopDeadline?.();
    const { at, ending } = this.#next(live);
    live.stopDeadline =
      at === undefined
        ? undefined
        : this.#clock.after(Math.max(0, at - this.#clock.now()), () => this.#due(live, at, ending));
  }

  #due(live: LiveRequest, at: number, ending: OwnEnding): void {
    // A timer may be cut short (2^31 ms) or the wall clock set back: then it is not due yet.
    if (this.#clock.now() < at) this.arm(live);
    else this.#end(live, ending);
  }

  #next(live: LiveRequest): { readonly at: number | undefined; readonly ending: OwnEnding } {
    const { order, state } = live;
    const queueEnd = order.queueExpiresAtUnixMs === 0 ? undefined : order.queueExpiresAtUnixMs;
    if (state === 'queued' || state === 'awaiting_approval') return { at: queueEnd, ending: QUEUE_EXPIRED };
    const slack = LIMITS.deadlineSlackMs;
    if (live.runningSinceUnixMs !== null) {
      return { at: live.runningSinceUnixMs + order.runTimeoutMs + slack, ending: RUN_EXPIRED };
    }
    // Handed over, not heard of: it may wait on the node for its queue limit and then run for its run time.
    const from = Math.max(live.dispatchedAtUnixMs ?? this.#clock.now(), queueEnd ?? 0);
    return { at: from + order.runTimeoutMs + slack, ending: NEVER_REPORTED };
  }
}
