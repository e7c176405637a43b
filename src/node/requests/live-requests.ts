import type { KeyObject } from 'node:crypto';
import type { NodeFacts } from '../../capabilities/capability.ts';
import type { RequestCgroups } from '../../capabilities/processes/request-cgroups.ts';
import type { Clock } from '../../kernel/clock.ts';
import { PalyraError } from '../../kernel/errors.ts';
import { isUlid } from '../../kernel/is-ulid.ts';
import { LIMITS } from '../../kernel/limits.ts';
import type { Logger } from '../../kernel/log.ts';
import {
  type CapabilityDispatchMessage,
  LEDGER_STATE,
  type LedgerEntryMessage,
  type OutputAckMessage,
  STDIN_MODE,
  type WelcomeMessage,
} from '../../rpc/frames.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Admission, NodePolicy } from '../policy/node-policy.ts';
import type { NodeRequests, RequestCounts, RequestUplink } from './ports.ts';
import { wholeStdin } from './request-stdin.ts';
import { type RunEnd, resultOf } from './result-of.ts';
import { RunningRequest } from './running-request.ts';
import { signedResult } from './signed-result.ts';
import { Slots } from './slots.ts';

export interface LiveRequestsOptions {
  readonly facts: NodeFacts;
  /** As it is now. */
  readonly policy: () => NodePolicy;
  /** Told when results can, or cannot, be written down. */
  readonly ledgerHealth: (fault: string | undefined) => void;
  readonly key: KeyObject;
  readonly ledger: Ledger;
  readonly cgroups: RequestCgroups | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

const NOTHING = Buffer.alloc(0);

/** The requests of this machine: each runs at most once, and its end is kept until the daemon has it. */
export class LiveRequests implements NodeRequests {
  readonly #options: LiveRequestsOptions;
  readonly #live = new Map<string, RunningRequest>();
  readonly #runs = new Set<Promise<void>>();
  readonly #slots = new Map<string, Slots>();
  readonly #listeners: (() => void)[] = [];
  #uplink: RequestUplink | undefined;
  #running = 0;
  #stopping = false;

  constructor(options: LiveRequestsOptions) {
    this.#options = options;
  }

  get ledgerId(): string {
    return this.#options.ledger.id;
  }

  entries(): readonly LedgerEntryMessage[] {
    const entries: LedgerEntryMessage[] = [];
    for (const { requestId, result } of this.#options.ledger.items.values()) {
      if (this.#live.has(requestId)) continue;
      entries.push({ request_id: requestId, state: result === undefined ? LEDGER_STATE.lost : LEDGER_STATE.finished });
    }
    for (const { requestId, result, stdin } of this.#live.values()) {
      entries.push({
        request_id: requestId,
        state: result === undefined ? LEDGER_STATE.running : LEDGER_STATE.finished,
        ...(stdin !== undefined && { stdin_acked_bytes: stdin.takenBytes }),
      });
    }
    return entries;
  }

  attach(uplink: RequestUplink, { resume = [], forget = [] }: WelcomeMessage): void {
    this.#uplink = uplink;
    for (const requestId of forget) this.#drop(requestId);
    for (const offsets of resume) {
      const live = this.#live.get(offsets.request_id);
      const kept = this.#options.ledger.items.get(offsets.request_id)?.result;
      if (live !== undefined) {
        if (live.startedAtUnixMs !== undefined) this.#tellStarted(live, live.startedAtUnixMs);
        live.resume(uplink, offsets);
        if (live.result !== undefined) uplink.send({ result: live.result });
      } else if (kept !== undefined) {
        // The bytes went with the process that had them; their count and the result are true all the same.
        for (const [channel, summary, from] of [
          [1, kept.stdout, offsets.stdout_offset_bytes],
          [2, kept.stderr, offsets.stderr_offset_bytes],
        ] as const) {
          const size = summary?.size_bytes ?? 0;
          if (size <= from) continue;
          const gap = { request_id: offsets.request_id, channel, offset: size, data: NOTHING };
          uplink.send({ output: { ...gap, skipped_bytes: size - from } });
        }
        uplink.send({ result: kept });
      }
    }
  }

  detach(): void {
    this.#uplink = undefined;
    for (const live of this.#live.values()) live.detach();
  }

  dispatch(message: CapabilityDispatchMessage): void {
    const { request_id: requestId } = message;
    // Never received, as far as the ledger goes: it comes again, or ends there.
    if (this.#stopping || !isUlid(requestId)) return;
    const known = this.#options.ledger.items.get(requestId);
    if (this.#live.has(requestId) || known !== undefined) {
      const result = this.#live.get(requestId)?.result ?? known?.result;
      if (result !== undefined) this.#uplink?.send({ result });
      return;
    }
    const live = new RunningRequest(message, this.#uplink);
    this.#live.set(requestId, live);
    this.#uplink?.send({ accepted: { request_id: requestId } });
    let admission: Admission;
    try {
      admission = this.#options.policy().admit(message.capability, message.input_json);
    } catch (cause) {
      this.#finish(live, { cause, aborted: undefined });
      return;
    }
    this.#queue(live, admission);
  }

  cancel(requestId: string, reason: string): void {
    this.#live.get(requestId)?.end(new PalyraError('cancelled', reason === '' ? 'cancelled' : reason));
  }

  resultAck(requestId: string): void {
    this.#drop(requestId);
  }

  outputAck(message: OutputAckMessage): void {
    this.#live.get(message.request_id)?.acknowledge(message);
  }

  counts(): RequestCounts {
    let queued = 0;
    for (const slots of this.#slots.values()) queued += slots.queued;
    return { running: this.#running, queued };
  }

  onCounts(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const { clock, cgroups, ledger } = this.#options;
    const all = Promise.all(this.#runs);
    const patience = new AbortController();
    await Promise.race([all, clock.sleep(graceMs, patience.signal).catch(() => undefined)]);
    patience.abort();
    const cause = new PalyraError('interrupted', 'the node host was stopped while the request ran');
    for (const live of this.#live.values()) if (live.result === undefined) live.end(cause);
    await Promise.all(this.#runs);
    cgroups?.close();
    ledger.close();
  }

  #queue(live: RunningRequest, admission: Admission): void {
    const { clock, policy } = this.#options;
    const { name } = admission.capability;
    const slots = this.#slots.get(name) ?? new Slots();
    this.#slots.set(name, slots);
    const { queue_left_ms: leftMs } = live.message;
    let started = false;
    let stopExpiry = (): void => undefined;
    let giveUp = (): void => undefined;
    const abandoned = (): void => {
      stopExpiry();
      giveUp();
      this.#finish(live, { cause: live.abort.signal.reason, aborted: undefined });
    };
    giveUp = slots.take(policy().concurrency(name), () => {
      started = true;
      stopExpiry();
      live.abort.signal.removeEventListener('abort', abandoned);
      this.#track(this.#run(live, admission, slots));
    });
    if (started) return;
    live.abort.signal.addEventListener('abort', abandoned, { once: true });
    if (leftMs > 0) {
      stopExpiry = clock.after(leftMs, () =>
        live.end(new PalyraError('queue_expired', 'the node was busy until the time to wait was over')),
      );
    }
    this.#changed();
  }

  async #run(live: RunningRequest, admission: Admission, slots: Slots): Promise<void> {
    const { clock, facts, ledger, cgroups } = this.#options;
    const { message, abort } = live;
    this.#running += 1;
    this.#changed();
    const limitMs = Math.min(message.run_timeout_ms || LIMITS.runTimeoutMs, admission.maxRunMs ?? Infinity);
    const stopTimer = clock.after(limitMs, () =>
      live.end(new PalyraError('timed_out', `it ran longer than its ${limitMs} ms`)),
    );
    let end: RunEnd;
    const aborted = (): PalyraError | undefined =>
      abort.signal.aborted ? (abort.signal.reason as PalyraError) : undefined;
    try {
      abort.signal.throwIfAborted();
      ledger.started(live.requestId);
      live.startedAtUnixMs = clock.now();
      this.#tellStarted(live, live.startedAtUnixMs);
      const outcome = await admission.execute({
        requestId: live.requestId,
        signal: abort.signal,
        stdout: { write: (chunk) => live.write('stdout', chunk) },
        stderr: { write: (chunk) => live.write('stderr', chunk) },
        stdin: live.stdin ?? (message.stdin_mode === STDIN_MODE.inline ? wholeStdin(message.stdin) : undefined),
        clock,
        facts,
        cgroups,
        started: (pid, startTime) => ledger.process(live.requestId, { pid, startTime }),
      });
      end = { outcome, aborted: aborted() };
    } catch (cause) {
      end = { cause, aborted: aborted() };
    } finally {
      stopTimer();
      live.stdin?.close();
      this.#running -= 1;
      slots.release();
      this.#changed();
    }
    this.#finish(live, end);
  }

  /** Writes the end down, then tells it. */
  #finish(live: RunningRequest, end: RunEnd): void {
    const { clock, key, ledger, log } = this.#options;
    const result = signedResult(live, resultOf(end, log), key, clock.now());
    live.result = result;
    try {
      ledger.finished(live.requestId, result);
      this.#options.ledgerHealth(undefined);
    } catch (cause) {
      this.#options.ledgerHealth(
        `results cannot be written down: ${cause instanceof Error ? cause.message : String(cause)}`,
      );
      log.error({ err: cause, request_id: live.requestId }, 'a result could not be written down');
    }
    this.#uplink?.send({ result });
  }

  #tellStarted({ requestId }: RunningRequest, startedAtUnixMs: number): void {
    this.#uplink?.send({ started: { request_id: requestId, started_at_unix_ms: startedAtUnixMs } });
  }

  /** The daemon has its end, or wants none. */
  #drop(requestId: string): void {
    const live = this.#live.get(requestId);
    this.#live.delete(requestId);
    if (live?.result === undefined) live?.end(new PalyraError('cancelled', 'the daemon ended the request'));
    live?.close();
    this.#options.ledger.forget(requestId);
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((cause: unknown) => this.#options.log.error({ err: cause }, 'a request could not be ended in order'))
      .finally(() => this.#runs.delete(tracked));
    this.#runs.add(tracked);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
