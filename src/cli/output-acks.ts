import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { OperatorClient } from './operator-client.ts';

export interface Offsets {
  readonly stdout: number;
  readonly stderr: number;
}

/**
 * Tells the daemon how much of a watch stream has reached its place, so that the node may forget it: in steps, when
 * the stream rests, and one call at a time.
 */
export class OutputAcks {
  readonly #client: OperatorClient;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #watchId: string;
  #told: number;
  #sending = false;
  #stopped = false;
  #stopTimer: (() => void) | undefined;
  #offsets: Offsets;

  constructor(
    client: OperatorClient,
    clock: Clock,
    { requestId, watchId, from }: { readonly requestId: string; readonly watchId: string; readonly from: Offsets },
  ) {
    this.#client = client;
    this.#clock = clock;
    this.#path = `/api/v1/requests/${requestId}/ack`;
    this.#watchId = watchId;
    this.#offsets = from;
    this.#told = from.stdout + from.stderr;
  }

  /** These bytes are where they belong. */
  taken(offsets: Offsets): void {
    this.#offsets = offsets;
    if (this.#sending || this.#stopped) return;
    if (this.#untold >= LIMITS.watchAckBytes) this.#tell();
    else this.#stopTimer ??= this.#clock.after(LIMITS.watchIdleAckMs, () => this.#tell());
  }

  stop(): void {
    this.#stopped = true;
    this.#stopTimer?.();
  }

  get #untold(): number {
    return this.#offsets.stdout + this.#offsets.stderr - this.#told;
  }

  #tell(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    if (this.#untold === 0 || this.#stopped) return;
    this.#sending = true;
    this.#told = this.#offsets.stdout + this.#offsets.stderr;
    const body = {
      watch_id: this.#watchId,
      stdout_bytes: this.#offsets.stdout,
      stderr_bytes: this.#offsets.stderr,
    };
    this.#client
      .call('POST', this.#path, { body })
      .catch((cause: unknown) => {
        // What became of the stream shows in the stream itself, which then starts again from these offsets.
        if (!(cause instanceof PalyraError)) throw cause;
      })
      .finally(() => {
        this.#sending = false;
        if (this.#untold > 0) this.taken(this.#offsets);
      });
  }
}
