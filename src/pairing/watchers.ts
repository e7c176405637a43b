import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';

/** Who waits for the decision about a pairing request. */
export class Watchers {
  readonly #byRequest = new Map<string, Set<() => void>>();

  /** Calls `changed` after each change of the request; the returned function ends that. Errors: too_many_requests. */
  add(requestId: string, changed: () => void): () => void {
    const watchers = this.#byRequest.get(requestId) ?? new Set();
    if (watchers.size >= LIMITS.watchersPerRequest) {
      throw new PalyraError('too_many_requests', 'too many watch this pairing request', {
        details: { retry_after_ms: 10_000 },
      });
    }
    watchers.add(changed);
    this.#byRequest.set(requestId, watchers);
    return () => {
      watchers.delete(changed);
      if (watchers.size === 0 && this.#byRequest.get(requestId) === watchers) this.#byRequest.delete(requestId);
    };
  }

  tell(requestIds: readonly string[]): void {
    for (const requestId of requestIds) for (const changed of this.#byRequest.get(requestId) ?? []) changed();
  }
}
