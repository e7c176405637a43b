// One request followed from its creation to its end, over as many connections as that takes.
import type { IncomingMessage } from 'node:http';
import { Backoff } from '../kernel/backoff.ts';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { CreateRequestBody, RequestState, RequestView, StreamEvent } from '../wire/views.ts';
import { FRAMES_MEDIA_TYPE, FrameReader } from '../wire/watch-frames.ts';
import { connectionLost, errorOf } from './http-answer.ts';
import type { OperatorClient } from './operator-client.ts';
import { type Offsets, OutputAcks } from './output-acks.ts';

export type Channel = 'stdout' | 'stderr';

/** What to watch: a request that exists, or one to be made (once, however often the connection breaks). */
export type WatchTarget =
  | { readonly requestId: string; readonly observe?: boolean }
  | { readonly create: CreateRequestBody; readonly idempotencyKey: string };

export interface WatchReader {
  /** Resolves when the bytes are where they belong: they are acknowledged then, and more is read. */
  output(channel: Channel, data: Buffer, offset: number): Promise<void>;
  /** Bytes that nobody kept. */
  gap?(channel: Channel, from: number, to: number): void;
  state?(state: RequestState): void;
  /** At the start of every connection. */
  attached?(requestId: string, reused: boolean): void;
  stdinAcked?(bytes: number, closed: boolean): void;
  /** The connection is gone and is looked for again. */
  lost?(): void;
}

// Told by a daemon that goes, and by one that is not there.
const MAY_COME_BACK = new Set(['daemon_unreachable', 'daemon_draining', 'daemon_not_proven']);

export class RequestWatch {
  readonly #client: OperatorClient;
  readonly #clock: Clock;
  readonly #reader: WatchReader;
  readonly #target: WatchTarget;
  readonly #backoff = new Backoff({ firstMs: LIMITS.reconnectFirstMs, longestMs: 4_000 });
  #offsets: Offsets = { stdout: 0, stderr: 0 };
  #requestId: string | undefined;
  /** The daemon may have the request: from now on a lost connection is no failure. */
  #asked = false;
  #seenAt = 0;

  constructor(options: {
    readonly client: OperatorClient;
    readonly clock: Clock;
    readonly target: WatchTarget;
    readonly reader: WatchReader;
  }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#target = options.target;
    this.#reader = options.reader;
    if ('requestId' in options.target) this.#requestId = options.target.requestId;
  }

  get requestId(): string | undefined {
    return this.#requestId;
  }

  /**
   * Follows the request to its end. Errors: those of the daemon; `daemon_unreachable` when it was lost and did not come
   * back within LIMITS.reattachMs; the reason of the signal when that is aborted.
   */
  async run(signal: AbortSignal): Promise<RequestView> {
    for (;;) {
      try {
        return await this.#once(signal);
      } catch (cause) {
        signal.throwIfAborted();
        if (!this.#asked || !(cause instanceof PalyraError) || !MAY_COME_BACK.has(cause.code)) throw cause;
        if (this.#clock.monotonic() - this.#seenAt > LIMITS.reattachMs) throw this.#gaveUp(cause);
        this.#reader.lost?.();
        await this.#clock.sleep(this.#backoff.next(), signal);
      }
    }
  }

  async #once(signal: AbortSignal): Promise<RequestView> {
    const answer = await this.#open(signal);
    try {
      return await this.#read(answer);
    } finally {
      answer.destroy();
    }
  }

  async #open(signal: AbortSignal): Promise<IncomingMessage> {
    const query = { stdout_offset: this.#offsets.stdout, stderr_offset: this.#offsets.stderr };
    const headers = { accept: FRAMES_MEDIA_TYPE };
    const { observe } = { observe: undefined, ...this.#target };
    try {
      if (this.#requestId !== undefined) {
        const path = `/api/v1/requests/${this.#requestId}/watch`;
        return await this.#client.open('GET', path, { query: { ...query, observe }, headers, signal });
      }
      if (!('create' in this.#target)) throw new TypeError('nothing to watch');
      const { create, idempotencyKey } = this.#target;
      return await this.#client.open('POST', '/api/v1/requests', {
        query: { ...query, watch: 1 },
        headers: { ...headers, 'idempotency-key': idempotencyKey },
        body: create,
        signal,
      });
    } catch (cause) {
      // Lost after it was sent: the daemon may have it. The same key asks for the same request again.
      if (cause instanceof PalyraError && cause.code === 'daemon_unreachable' && cause.details?.['sent'] === true) {
        this.#contact();
      }
      throw cause;
    }
  }

  async #read(answer: IncomingMessage): Promise<RequestView> {
    const frames = new FrameReader();
    let acks: OutputAcks | undefined;
    let ended: RequestView | undefined;
    try {
      for await (const bytes of answer as AsyncIterable<Buffer>) {
        for (const part of frames.read(bytes)) {
          if (part.type === 'output') {
            await this.#output(part.channel, part.offset, part.data);
            acks?.taken(this.#offsets);
            continue;
          }
          const event = part.event as StreamEvent;
          // Read on to the end of the answer: then the connection serves the next call.
          if (event.type === 'end') ended = event.request;
          else if (event.type === 'request') acks = this.#attached(event.request_id, event.watch_id, event.reused);
          else this.#event(event);
        }
      }
    } catch (cause) {
      if (ended !== undefined) return ended;
      // What the connection itself threw; everything else is the reader's or the daemon's.
      if (cause === answer.errored) throw connectionLost(cause);
      throw cause;
    } finally {
      acks?.stop();
    }
    if (ended !== undefined) return ended;
    throw connectionLost();
  }

  #attached(requestId: string, watchId: string, reused: boolean): OutputAcks {
    this.#requestId = requestId;
    this.#contact();
    this.#backoff.reset();
    this.#reader.attached?.(requestId, reused);
    return new OutputAcks(this.#client, this.#clock, { requestId, watchId, from: this.#offsets });
  }

  #event(event: Exclude<StreamEvent, { type: 'request' | 'end' }>): void {
    this.#contact();
    switch (event.type) {
      case 'state':
        this.#reader.state?.(event.state);
        return;
      case 'gap':
        this.#offsets = { ...this.#offsets, [event.channel]: event.to };
        this.#reader.gap?.(event.channel, event.from, event.to);
        return;
      case 'stdin_acked':
        this.#reader.stdinAcked?.(event.bytes, event.closed);
        return;
      case 'error':
        throw errorOf(event.error);
    }
  }

  async #output(channel: Channel, offset: number, data: Buffer): Promise<void> {
    const have = this.#offsets[channel];
    const fresh = data.subarray(Math.max(0, have - offset));
    if (fresh.length === 0) return;
    this.#seenAt = this.#clock.monotonic();
    await this.#reader.output(channel, fresh, Math.max(offset, have));
    this.#offsets = { ...this.#offsets, [channel]: offset + data.length };
  }

  #contact(): void {
    this.#asked = true;
    this.#seenAt = this.#clock.monotonic();
  }

  #gaveUp(cause: PalyraError): PalyraError {
    const id = this.#requestId;
    return new PalyraError('daemon_unreachable', 'the daemon was lost and did not come back', {
      hint:
        id === undefined
          ? 'the request may have been accepted: palyra requests list'
          : `the request may go on: palyra requests watch ${id}`,
      ...(id !== undefined && { details: { request_id: id } }),
      cause,
    });
  }
}
