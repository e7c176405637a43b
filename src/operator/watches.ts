import { randomUUID } from 'node:crypto';
import { PalyraError } from '../kernel/errors.ts';
import type { RequestId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { ErrorView } from '../wire/views.ts';
import type { Principal } from './principal.ts';
import type { WatchStream } from './watch-stream.ts';

interface Watch {
  readonly operatorId: string;
  /** Set when the request is known. */
  open?: { readonly requestId: RequestId; readonly stream: WatchStream };
}

/** The open watch streams, found by the id that their readers acknowledge with. */
export class Watches {
  readonly #byId = new Map<string, Watch>();
  readonly #perOperator = new Map<string, number>();

  /** Reserves a place, before the work is asked for. Errors: `too_many_requests`. */
  reserve({ operatorId, name }: Principal): string {
    const count = this.#perOperator.get(operatorId) ?? 0;
    if (count >= LIMITS.streamsPerOperator) {
      throw new PalyraError('too_many_requests', `${name} watches ${count} requests already`, {
        hint: 'end some of them first',
        details: { retry_after_ms: 1_000 },
      });
    }
    const watchId = randomUUID();
    this.#perOperator.set(operatorId, count + 1);
    this.#byId.set(watchId, { operatorId });
    return watchId;
  }

  started(watchId: string, requestId: RequestId, stream: WatchStream): void {
    const watch = this.#byId.get(watchId);
    if (watch !== undefined) watch.open = { requestId, stream };
  }

  close(watchId: string): void {
    const watch = this.#byId.get(watchId);
    if (watch === undefined) return;
    this.#byId.delete(watchId);
    const count = (this.#perOperator.get(watch.operatorId) ?? 1) - 1;
    if (count > 0) this.#perOperator.set(watch.operatorId, count);
    else this.#perOperator.delete(watch.operatorId);
  }

  /** The stream that its own reader speaks about. Errors: `not_found`. */
  find(watchId: string, requestId: RequestId, { operatorId }: Principal): WatchStream {
    const watch = this.#byId.get(watchId);
    if (watch?.open?.requestId === requestId && watch.operatorId === operatorId) return watch.open.stream;
    throw new PalyraError('not_found', 'no such watch stream is open', { hint: `palyra requests watch ${requestId}` });
  }

  /** Ends all streams with this error. */
  failAll(error: ErrorView): void {
    for (const { open } of this.#byId.values()) open?.stream.fail(error);
  }

  get size(): number {
    return this.#byId.size;
  }
}
