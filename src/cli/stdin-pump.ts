import type { ClientRequest } from 'node:http';
import type { Readable } from 'node:stream';
import { Backoff } from '../kernel/backoff.ts';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { answerOf, failureOf } from './http-answer.ts';
import type { OperatorClient } from './operator-client.ts';

interface Piece {
  readonly offset: number;
  readonly data: Buffer;
}

const HELD_BYTES = 2 * LIMITS.stdinCreditBytes;

/**
 * Sends standard input to a request: no faster than the program takes it, and kept until the node acknowledged it, so
 * that a lost connection loses nothing.
 */
export class StdinPump {
  readonly #client: OperatorClient;
  readonly #clock: Clock;
  readonly #source: Readable;
  readonly #onFailure: (cause: unknown) => void;
  readonly #stopped = new AbortController();
  #pieces: Piece[] = [];
  #acked = 0;
  #read = 0;
  #ended = false;
  #changed = Promise.withResolvers<void>();
  #upload: AbortController | undefined;

  constructor(options: {
    readonly client: OperatorClient;
    readonly clock: Clock;
    readonly source: Readable;
    /** The input cannot be brought over, for a reason that will not pass. */
    readonly onFailure: (cause: unknown) => void;
  }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#source = options.source;
    this.#onFailure = options.onFailure;
  }

  /** The request stands on a fresh connection: sends what is not acknowledged, then what comes. */
  attached(requestId: string): void {
    const first = this.#upload === undefined;
    this.#upload?.abort();
    this.#wake();
    this.#upload = new AbortController();
    if (first) void this.#readSource();
    void this.#send(requestId, AbortSignal.any([this.#upload.signal, this.#stopped.signal]));
  }

  /** The node has these bytes; `closed` when the program takes no more. */
  acknowledged(bytes: number, closed: boolean): void {
    this.#acked = Math.max(this.#acked, bytes);
    this.#pieces = this.#pieces.filter(({ offset, data }) => offset + data.length > this.#acked);
    if (closed) this.stop();
    else this.#wake();
  }

  stop(): void {
    this.#stopped.abort();
    this.#pieces = [];
    this.#source.destroy();
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  async #readSource(): Promise<void> {
    try {
      for await (const data of this.#source as AsyncIterable<Buffer>) {
        if (this.#stopped.signal.aborted) return;
        this.#pieces.push({ offset: this.#read, data });
        this.#read += data.length;
        this.#wake();
        while (this.#read - this.#acked >= HELD_BYTES && !this.#stopped.signal.aborted) await this.#changed.promise;
      }
    } catch (cause) {
      // Destroyed by stop(), or a terminal that went away: for the program that is the end of its input.
      if (!(cause instanceof Error)) throw cause;
    }
    this.#ended = true;
    this.#wake();
  }

  async #send(requestId: string, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ firstMs: LIMITS.reconnectFirstMs, longestMs: 4_000 });
    for (;;) {
      try {
        if (await this.#uploadFrom(this.#acked, requestId, signal)) return;
      } catch (cause) {
        if (signal.aborted) return;
        if (cause instanceof PalyraError && cause.code === 'request_already_finished') return;
        if (!mayGoOn(cause)) {
          this.#onFailure(cause);
          return;
        }
        await this.#clock.sleep(backoff.next(), signal).catch(() => undefined);
      }
      if (signal.aborted) return;
    }
  }

  /** True when all of it was sent; false when it must begin anew behind what was acknowledged meanwhile. */
  async #uploadFrom(from: number, requestId: string, signal: AbortSignal): Promise<boolean> {
    const path = `/api/v1/requests/${requestId}/stdin`;
    const call = await this.#client.upload(path, { offset: from, end: 1 }, signal);
    // The daemon may refuse while we still write.
    const answered = answerOf(call).then(async (answer) => {
      if ((answer.statusCode ?? 500) >= 400) throw await failureOf(answer);
      answer.resume();
    });
    answered.catch(() => call.destroy());
    call.once('close', () => this.#wake());
    if (await this.#writeAll(call, from, signal)) {
      call.end();
      await answered;
      return true;
    }
    // Refused or lost: the answer says why.
    if (call.destroyed && !signal.aborted) await answered;
    call.destroy();
    return false;
  }

  async #writeAll(call: ClientRequest, from: number, signal: AbortSignal): Promise<boolean> {
    let at = from;
    while (!signal.aborted && !call.destroyed) {
      const next = this.#pieces.find(({ offset, data }) => offset <= at && offset + data.length > at);
      if (next !== undefined) {
        const room = call.write(next.data.subarray(at - next.offset));
        at = next.offset + next.data.length;
        if (!room) await drained(call, signal);
      } else if (this.#ended && at >= this.#read) {
        return true;
      } else if (at < this.#acked) {
        // Bytes that an earlier connection still brought over: this upload cannot leave them out.
        return false;
      } else {
        await this.#changed.promise;
      }
    }
    return false;
  }
}

/** A daemon that is away for a moment, or that has just started and waits to hear from the node where input stands. */
function mayGoOn(cause: unknown): boolean {
  if (!(cause instanceof PalyraError)) return false;
  if (cause.code === 'daemon_unreachable' || cause.code === 'daemon_draining') return true;
  return cause.code === 'conflict' && cause.details?.['expected_offset_bytes'] !== undefined;
}

function drained(call: ClientRequest, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done).off('close', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.on('drain', done).on('close', done);
    signal.addEventListener('abort', done, { once: true });
  });
}
