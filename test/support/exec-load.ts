// Requests with a side effect that can be counted: each appends its own key to a file.
import { readFileSync } from 'node:fs';
import type { OperatorClient } from '../../src/cli/operator-client.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { PalyraError } from '../../src/kernel/errors.ts';

const TERMINAL = new Set(['succeeded', 'failed', 'timed_out', 'cancelled', 'rejected', 'expired', 'interrupted']);
const AGAIN_MS = 50;

interface Accepted {
  readonly key: string;
  readonly requestId: string;
}

interface LoadOptions {
  readonly client: () => OperatorClient;
  readonly node: string;
  readonly file: string;
  readonly inFlight: number;
}

/** Keeps a number of requests under way until it is told to stop; every accepted one is remembered. */
export class ExecLoad {
  readonly #options: LoadOptions;
  readonly #accepted = new Map<string, Accepted>();
  /** The first terminal state that was seen of a request. */
  readonly #ends = new Map<string, string>();
  readonly problems: string[] = [];
  readonly #workers: Promise<void>[] = [];
  #stopping = false;
  #next = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  get accepted(): number {
    return this.#accepted.size;
  }

  start(): void {
    for (let worker = 0; worker < this.#options.inFlight; worker += 1) this.#workers.push(this.#work());
  }

  /** Asks for nothing new, and waits until everything that was accepted has ended. */
  async finish(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#workers);
    const client = this.#options.client();
    const deadline = systemClock.monotonic() + deadlineMs;
    for (const { requestId } of this.#accepted.values()) {
      while ((await this.#look(client, requestId)) === undefined) {
        if (systemClock.monotonic() > deadline) {
          this.problems.push(`${requestId} never ended`);
          break;
        }
        await systemClock.sleep(AGAIN_MS);
      }
    }
    // Once more: what ended stays ended, in the same state.
    for (const { requestId } of this.#accepted.values()) await this.#look(client, requestId);
  }

  /** How many requests ended in which state. */
  counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const state of this.#ends.values()) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  /** What the file says against what the daemon says; empty when all is well. */
  contradictions(): string[] {
    const lines = readFileSync(this.#options.file, 'utf8').split('\n').slice(0, -1);
    const runs = new Map<string, number>();
    for (const line of lines) runs.set(line, (runs.get(line) ?? 0) + 1);
    const found = [...this.problems];
    for (const [key, count] of runs) if (count > 1) found.push(`${key} ran ${count} times`);
    for (const { key, requestId } of this.#accepted.values()) {
      const state = this.#ends.get(requestId);
      if (state === 'succeeded' && !runs.has(key)) found.push(`${requestId} succeeded and left nothing`);
      if ((state === 'expired' || state === 'rejected') && runs.has(key)) {
        found.push(`${requestId} is ${state} and ran`);
      }
      if (state === 'failed' || state === 'timed_out') found.push(`${requestId} is ${state}, which no kill explains`);
    }
    return found;
  }

  async #work(): Promise<void> {
    const client = this.#options.client();
    while (!this.#stopping) {
      this.#next += 1;
      const key = `load-${this.#next}`;
      const requestId = await this.#submit(client, key);
      if (requestId === undefined) continue;
      this.#accepted.set(key, { key, requestId });
      while (!this.#stopping && (await this.#look(client, requestId)) === undefined) await systemClock.sleep(AGAIN_MS);
    }
  }

  /** The same key until there is an answer: one that got lost must not become a second request. */
  async #submit(client: OperatorClient, key: string): Promise<string | undefined> {
    const body = {
      node: this.#options.node,
      capability: 'shell.execute',
      input: { argv: ['sh', '-c', 'echo "$1" >> "$0"', this.#options.file, key] },
      queue_ttl_ms: 600_000,
    };
    for (;;) {
      try {
        const headers = { 'idempotency-key': key };
        const { request_id: requestId } = await client.call<{ request_id: string }>('POST', '/api/v1/requests', {
          body,
          headers,
        });
        return requestId;
      } catch (cause) {
        if (!isAbsence(cause)) {
          this.problems.push(`${key} was refused: ${String(cause)}`);
          return undefined;
        }
        await systemClock.sleep(AGAIN_MS);
      }
    }
  }

  async #look(client: OperatorClient, requestId: string): Promise<string | undefined> {
    try {
      const { state } = await client.call<{ state: string }>('GET', `/api/v1/requests/${requestId}`);
      const before = this.#ends.get(requestId);
      if (before !== undefined && before !== state) this.problems.push(`${requestId} was ${before} and is ${state}`);
      if (!TERMINAL.has(state)) return undefined;
      this.#ends.set(requestId, state);
      return state;
    } catch (cause) {
      if (!isAbsence(cause)) this.problems.push(`${requestId} could not be seen: ${String(cause)}`);
      return undefined;
    }
  }
}

/** The daemon is away, or left in the middle of the call. */
function isAbsence(cause: unknown): boolean {
  if (cause instanceof PalyraError) return cause.code === 'daemon_unreachable' || cause.code === 'daemon_draining';
  return cause instanceof Error && 'code' in cause && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE');
}
