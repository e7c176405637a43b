import type { Clock } from '../../kernel/clock.ts';
import { PalyraError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import type { Logger } from '../../kernel/log.ts';
import type { CapabilityOfferMessage, DaemonFrame } from '../../rpc/frames.ts';
import type { NodeConnection, NodeStream } from '../../rpc/node-client.ts';
import type { NodeHealth } from '../node-health.ts';
import type { MachineFacts } from '../pairing/machine-facts.ts';
import type { Offer } from '../policy/node-policy.ts';
import type { NodeRequests } from '../requests/ports.ts';

/** How often a session looks whether it is still alive. */
const LOOK_MS = 2_000;
/** The process slept: what the connection was is not what it is. */
const GAP_MS = 20_000;
const REASON_LENGTH = 256;

export interface SessionOptions {
  readonly connection: NodeConnection;
  readonly requests: NodeRequests;
  readonly facts: MachineFacts;
  /** As they are now. */
  readonly offers: () => readonly Offer[];
  /** Calls at each change of the offers; the returned function ends that. */
  readonly onOffers: (listener: () => void) => () => void;
  readonly health: Pick<NodeHealth, 'reason' | 'onChange'>;
  readonly bootId: string;
  readonly startedAtUnixMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the host stops: the session says farewell. */
  readonly signal: AbortSignal;
  readonly welcomed: () => void;
  /** A certificate is due, or the daemon asks for a new one. */
  readonly renew: (reason: string) => void;
  /** New authorities. */
  readonly bundle: (ders: readonly Buffer[]) => void;
}

/** Why a session is over, and how long the daemon wants us to stay away. */
export interface SessionEnd {
  readonly cause: unknown;
  readonly retryAfterMs: number;
}

/** One session on one stream, from registration to its end; resolves when it is over. Rejects when it never began. */
export async function runSession(options: SessionOptions): Promise<SessionEnd> {
  const { connection, requests, facts, offers, bootId, clock } = options;
  const { name: _, ...machine } = facts;
  const registered = await connection.register({
    instance: {
      ...machine,
      boot_id: bootId,
      ledger_id: requests.ledgerId,
      pid: process.pid,
      started_at_unix_ms: options.startedAtUnixMs,
    },
    capabilities: offers().map(offerMessage),
    node_unix_ms: clock.now(),
  });
  options.bundle((registered.ca_bundle_der ?? []).map((der) => Buffer.from(der)));
  return await new Session(options).run(registered.session_id ?? '');
}

const offerMessage = ({ name, available, unavailable_reason: reason }: Offer): CapabilityOfferMessage => ({
  name,
  available,
  ...(reason !== undefined && { unavailable_reason: reason.slice(0, REASON_LENGTH) }),
});

class Session {
  readonly #options: SessionOptions;
  readonly #over = Promise.withResolvers<SessionEnd>();
  #stream: NodeStream | undefined;
  #welcomed = false;
  #heartbeatMs: number = LIMITS.heartbeatMs;
  #lastFrameAtMs: number;
  #lastBeatAtMs: number;
  #ended = false;
  #toldOffers: string;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#toldOffers = JSON.stringify(options.offers());
    this.#lastFrameAtMs = options.clock.monotonic();
    this.#lastBeatAtMs = this.#lastFrameAtMs;
  }

  run(sessionId: string): Promise<SessionEnd> {
    const { connection, requests, bootId, signal } = this.#options;
    const stream = connection.openStream({
      frame: (frame) => {
        // What still comes of a stream that was given up belongs to nobody.
        if (!this.#ended) this.#frame(frame);
      },
      ended: (cause) => this.#end(cause ?? new PalyraError('daemon_unreachable', 'the daemon ended the stream'), 0),
    });
    this.#stream = stream;
    stream.send({
      hello: {
        session_id: sessionId,
        boot_id: bootId,
        ledger_id: requests.ledgerId,
        entries: requests.entries(),
      },
    });
    const stop = (): void => this.#farewell('the node host stops', 0);
    signal.addEventListener('abort', stop, { once: true });
    this.#look(this.#options.clock.monotonic(), this.#options.clock.now());
    const { onOffers, health } = this.#options;
    const stopTelling = [onOffers(() => this.#tellOffers()), health.onChange(() => this.#tellHealth())];
    return this.#over.promise.finally(() => {
      signal.removeEventListener('abort', stop);
      for (const stopOne of stopTelling) stopOne();
    });
  }

  #frame(frame: DaemonFrame): void {
    const { requests } = this.#options;
    this.#lastFrameAtMs = this.#options.clock.monotonic();
    if (frame.welcome) {
      const { connection } = this.#options;
      const stream = this.#stream;
      if (this.#welcomed || stream === undefined) return;
      this.#welcomed = true;
      this.#paceOf(frame.welcome.heartbeat_ms);
      requests.attach(
        {
          send: (upward, payloadBytes) => stream.send(upward, payloadBytes),
          openBulk: (requestId, events) => connection.openBulk(requestId, events),
        },
        frame.welcome,
      );
      // What changed since it registered, and what is wrong from the start.
      this.#tellOffers();
      if (this.#options.health.reason !== undefined) this.#tellHealth();
      this.#options.welcomed();
      return;
    }
    if (!this.#welcomed) return;
    if (frame.dispatch) requests.dispatch(frame.dispatch);
    if (frame.cancel) requests.cancel(frame.cancel.request_id, frame.cancel.reason ?? '');
    if (frame.result_ack) requests.resultAck(frame.result_ack.request_id);
    if (frame.output_ack) requests.outputAck(frame.output_ack);
    if (frame.heartbeat_reply) this.#paceOf(frame.heartbeat_reply.heartbeat_ms);
    if (frame.ca_bundle) this.#options.bundle(frame.ca_bundle.ca_bundle_der ?? []);
    if (frame.renew_certificate) this.#options.renew(frame.renew_certificate.reason ?? 'the daemon asks for it');
    if (frame.drain) this.#farewell('the daemon drains', frame.drain.retry_after_ms ?? 0);
  }

  #tellOffers(): void {
    const offers = JSON.stringify(this.#options.offers());
    if (!this.#welcomed || this.#ended || offers === this.#toldOffers) return;
    this.#toldOffers = offers;
    this.#stream?.send({ capabilities_changed: { capabilities: this.#options.offers().map(offerMessage) } });
  }

  #tellHealth(): void {
    if (!this.#welcomed || this.#ended) return;
    const { reason = '' } = this.#options.health;
    this.#stream?.send({ health: { degraded_reason: reason.slice(0, REASON_LENGTH) } });
  }

  #paceOf(heartbeatMs: number): void {
    if (heartbeatMs > 0) this.#heartbeatMs = Math.min(heartbeatMs, LIMITS.silenceMs / 2);
  }

  /** Beats when it is time, and notices silence and sleep. */
  #look(beforeMs: number, beforeUnixMs: number): void {
    const { clock, requests } = this.#options;
    clock.after(Math.min(LOOK_MS, this.#heartbeatMs), () => {
      if (this.#ended) return;
      const now = clock.monotonic();
      const nowUnixMs = clock.now();
      if (now - beforeMs > GAP_MS || Math.abs(nowUnixMs - beforeUnixMs - (now - beforeMs)) > LIMITS.silenceMs) {
        this.#giveUp('this machine slept');
      } else if (now - this.#lastFrameAtMs > LIMITS.silenceMs) {
        this.#giveUp('nothing came from the daemon for 45 seconds');
      } else {
        if (this.#welcomed && now - this.#lastBeatAtMs >= this.#heartbeatMs) {
          this.#lastBeatAtMs = now;
          this.#stream?.send({ heartbeat: { node_unix_ms: nowUnixMs, ...requests.counts() } });
        }
        this.#look(now, nowUnixMs);
      }
    });
  }

  /** In order: what waits leaves first. */
  #farewell(reason: string, retryAfterMs: number): void {
    if (this.#ended) return;
    this.#options.requests.detach();
    this.#stream?.send({ stopping: { reason } });
    this.#stream?.end();
    this.#end(new PalyraError('daemon_draining', reason), retryAfterMs);
  }

  #giveUp(reason: string): void {
    this.#stream?.cancel();
    this.#end(new PalyraError('daemon_unreachable', reason), 0);
  }

  #end(cause: unknown, retryAfterMs: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.requests.detach();
    this.#over.resolve({ cause, retryAfterMs });
  }
}
