import { Backoff } from '../../kernel/backoff.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type ErrorCode, PalyraError } from '../../kernel/errors.ts';

const FIRST_MS = 250;
const LONGEST_MS = 10_000;
/** A longer wait that the daemon asks for is told instead of waited for. */
const PATIENCE_MS = 5_000;
/** It may also be a fault of the daemon, which stays. */
const FAULT_ATTEMPTS = 3;

// `internal` without a word of the daemon is a connection that broke in the middle of a call.
const PASSING: ReadonlySet<ErrorCode> = new Set([
  'daemon_unreachable',
  'daemon_draining',
  'store_unavailable',
  'too_many_requests',
  'internal',
]);

export const isPassing = (cause: unknown): cause is PalyraError =>
  cause instanceof PalyraError && PASSING.has(cause.code);

/** What the daemon asked to wait, ms. */
export function retryAfterMs(cause: PalyraError): number {
  const wait = cause.details?.['retry_after_ms'];
  return typeof wait === 'number' && wait > 0 ? wait : 0;
}

export const newBackoff = (): Backoff => new Backoff({ firstMs: FIRST_MS, longestMs: LONGEST_MS });

/**
 * Makes a call that may be repeated as it is, up to `attempts` times, when only the way to the daemon failed.
 * Errors: those of the call; the signal's reason.
 */
export async function repeated<T>(
  call: () => Promise<T>,
  { attempts, clock, signal }: { readonly attempts: number; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<T> {
  const backoff = newBackoff();
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await call();
    } catch (cause) {
      if (!isPassing(cause) || retryAfterMs(cause) > PATIENCE_MS) throw cause;
      if (attempt >= (cause.code === 'internal' ? FAULT_ATTEMPTS : attempts)) throw cause;
      await clock.sleep(backoff.next(retryAfterMs(cause)), signal);
    }
  }
}
