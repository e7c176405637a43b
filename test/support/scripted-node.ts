// A machine as the dispatcher sees it: takes orders, keeps output until it is acknowledged, survives its daemon.
import { createHash } from 'node:crypto';
import type { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import type { LedgerEntry, NodeLink, NodeOrder, NodeOutcome } from '../../src/dispatch/node-link.ts';
import type { OutputChannel, WatchOffsets } from '../../src/dispatch/types.ts';
import type { DeviceId, RequestId, SessionId } from '../../src/kernel/ids.ts';
import { LIMITS } from '../../src/kernel/limits.ts';

export interface Ending {
  readonly outcome?: NodeOutcome;
  readonly exitCode?: number | null;
  readonly signal?: string;
  readonly outputJson?: string;
  readonly errorCode?: string;
  readonly errorMessage?: string;
}

/** What a program of the script can do. */
export interface Run {
  readonly order: NodeOrder;
  readonly input: Record<string, unknown>;
  /** Resolves when there is credit again, as a pipe would. */
  readonly write: (channel: OutputChannel, data: Buffer | string) => Promise<void>;
  /** Standard input as it comes; each piece is acknowledged when the next one is asked for. */
  readonly stdin: AsyncIterable<Buffer>;
  /** Resolves with the reason when the daemon asks for the end. */
  readonly cancelled: Promise<string>;
}

export type Script = (run: Run) => Promise<Ending | undefined>;

interface Sent {
  readonly channel: OutputChannel;
  readonly offset: number;
  readonly data: Buffer;
}

class Running {
  readonly order: NodeOrder;
  readonly sent: Sent[] = [];
  readonly size: Record<OutputChannel, number> = { stdout: 0, stderr: 0 };
  readonly hash = { stdout: createHash('sha256'), stderr: createHash('sha256') };
  acked: WatchOffsets = { stdoutBytes: 0, stderrBytes: 0 };
  ending: Ending | undefined;
  readonly cancelled = Promise.withResolvers<string>();
  room = Promise.withResolvers<void>();
  readonly stdinPieces: Buffer[] = [];
  stdinReceived = 0;
  stdinTaken = 0;
  stdinEnded = false;
  stdinMore = Promise.withResolvers<void>();

  constructor(order: NodeOrder) {
    this.order = order;
  }

  get outstanding(): number {
    return this.size.stdout - this.acked.stdoutBytes + this.size.stderr - this.acked.stderrBytes;
  }
}

export class ScriptedNode {
  readonly deviceId: DeviceId;
  readonly orders: NodeOrder[] = [];
  readonly #script: Script;
  readonly #running = new Map<RequestId, Running>();
  #dispatcher: Dispatcher | undefined;
  #link: NodeLink | undefined;
  #epoch = 0;
  /** Most standard input that was ever here and not taken by the program. */
  stdinHeld = 0;

  constructor(deviceId: DeviceId, script: Script) {
    this.deviceId = deviceId;
    this.#script = script;
  }

  /** Opens a session with a daemon, which may be a new one, and goes on with what it has. */
  connect(dispatcher: Dispatcher): void {
    this.#epoch += 1;
    const link: NodeLink = {
      deviceId: this.deviceId,
      sessionId: `s${this.#epoch}` as SessionId,
      epoch: this.#epoch,
      ledgerId: 'ledger',
      dispatch: (order) => queueMicrotask(() => this.#start(order)),
      cancel: (requestId, reason) => this.#running.get(requestId)?.cancelled.resolve(reason),
      acknowledgeResult: (requestId) => this.#running.delete(requestId),
      acknowledgeOutput: (requestId, offsets, detached) => this.#acknowledged(requestId, offsets, detached),
    };
    this.#dispatcher = dispatcher;
    this.#link = link;
    const entries = [...this.#running.values()].map(
      (run): LedgerEntry => ({
        requestId: run.order.requestId,
        state: run.ending === undefined ? 'running' : 'finished',
        stdinAckedBytes: run.stdinTaken,
        stdinClosed: false,
      }),
    );
    const { resume, forget } = dispatcher.nodes.hello(link, entries);
    for (const requestId of forget) this.#running.delete(requestId);
    for (const { requestId, offsets } of resume) {
      const run = this.#running.get(requestId);
      if (run === undefined) continue;
      this.#openBulk(run);
      this.#acknowledged(requestId, offsets, false);
      this.#sendHeld(run, { stdout: offsets.stdoutBytes, stderr: offsets.stderrBytes });
      this.#sendResult(run);
    }
  }

  /** The stream breaks; programs go on. */
  disconnect(): void {
    if (this.#link !== undefined) this.#dispatcher?.nodes.linkClosed(this.#link);
    this.#link = undefined;
    this.#dispatcher = undefined;
  }

  #start(order: NodeOrder): void {
    if (this.#link === undefined) return;
    this.orders.push(order);
    const run = new Running(order);
    this.#running.set(order.requestId, run);
    this.#dispatcher?.nodes.started(this.#link, order.requestId, Date.now());
    if (order.stdinMode === 'stream') this.#openBulk(run);
    const context: Run = {
      order,
      input: JSON.parse(order.inputJson) as Record<string, unknown>,
      write: (channel, data) => this.#write(run, channel, Buffer.from(data)),
      stdin: this.#stdin(run),
      cancelled: run.cancelled.promise,
    };
    void this.#script(context).then((ending = {}) => {
      run.ending = ending;
      this.#sendResult(run);
    });
  }

  async #write(run: Running, channel: OutputChannel, data: Buffer): Promise<void> {
    for (let at = 0; at < data.length; at += LIMITS.chunkBytes) {
      while (run.outstanding >= LIMITS.requestCreditBytes) await run.room.promise;
      const piece = { channel, offset: run.size[channel], data: data.subarray(at, at + LIMITS.chunkBytes) };
      run.size[channel] += piece.data.length;
      run.hash[channel].update(piece.data);
      run.sent.push(piece);
      this.#sendPiece(run, piece);
    }
  }

  /** What is still here, and between what the daemon has and that: what nobody has any more. */
  #sendHeld(run: Running, has: Record<OutputChannel, number>): void {
    for (const channel of ['stdout', 'stderr'] as const) {
      const held = run.sent.filter((piece) => piece.channel === channel);
      const first = held[0]?.offset ?? run.size[channel];
      if (held.length === 0 && first > has[channel]) {
        this.#sendPiece(run, { channel, offset: first, data: Buffer.alloc(0) }, first - has[channel]);
      }
      for (const [at, piece] of held.entries())
        this.#sendPiece(run, piece, at === 0 ? Math.max(0, first - has[channel]) : 0);
    }
  }

  #sendPiece({ order }: Running, piece: Sent, skippedBytes = 0): void {
    if (this.#link === undefined) return;
    this.#dispatcher?.nodes.output(this.#link, order.requestId, { ...piece, skippedBytes });
  }

  #sendResult(run: Running): void {
    const { ending, order } = run;
    if (ending === undefined || this.#link === undefined) return;
    const exitCode = ending.exitCode === undefined ? 0 : ending.exitCode;
    const channel = (name: OutputChannel) => ({
      sizeBytes: run.size[name],
      sha256: run.hash[name].copy().digest('hex'),
    });
    this.#dispatcher?.nodes.result(this.#link, {
      requestId: order.requestId,
      outcome: ending.outcome ?? (exitCode === 0 ? 'succeeded' : 'failed'),
      errorCode: ending.errorCode ?? null,
      errorMessage: ending.errorMessage ?? null,
      errorHint: null,
      outputJson: ending.outputJson ?? null,
      exitCode,
      signal: ending.signal ?? null,
      channels: { stdout: channel('stdout'), stderr: channel('stderr') },
      startedAtUnixMs: Date.now(),
      durationMs: 1,
      treeKill: null,
      receiptSignature: null,
    });
  }

  #acknowledged(requestId: RequestId, offsets: WatchOffsets, detached: boolean): void {
    const run = this.#running.get(requestId);
    if (run === undefined) return;
    run.acked = detached
      ? { stdoutBytes: run.size.stdout, stderrBytes: run.size.stderr }
      : {
          stdoutBytes: Math.max(run.acked.stdoutBytes, offsets.stdoutBytes),
          stderrBytes: Math.max(run.acked.stderrBytes, offsets.stderrBytes),
        };
    const kept = run.sent.filter(({ channel, offset, data }) => {
      const acked = channel === 'stdout' ? run.acked.stdoutBytes : run.acked.stderrBytes;
      return offset + data.length > acked;
    });
    run.sent.splice(0, run.sent.length, ...kept);
    run.room.resolve();
    run.room = Promise.withResolvers();
  }

  #openBulk(run: Running): void {
    if (run.order.stdinMode !== 'stream' || this.#link === undefined) return;
    this.#dispatcher?.nodes.bulkOpened(this.#link, run.order.requestId, {
      stdin: (offset, data, end) => {
        const fresh = data.subarray(Math.max(0, run.stdinReceived - offset));
        if (fresh.length > 0) run.stdinPieces.push(Buffer.from(fresh));
        run.stdinReceived = Math.max(run.stdinReceived, offset + data.length);
        run.stdinEnded ||= end;
        this.stdinHeld = Math.max(this.stdinHeld, run.stdinReceived - run.stdinTaken);
        run.stdinMore.resolve();
        run.stdinMore = Promise.withResolvers();
      },
    });
  }

  async *#stdin(run: Running): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = run.stdinPieces.shift();
      if (piece !== undefined) {
        yield piece;
        run.stdinTaken += piece.length;
        if (this.#link !== undefined) {
          this.#dispatcher?.nodes.stdinAcknowledged(this.#link, run.order.requestId, run.stdinTaken, false);
        }
      } else if (run.stdinEnded) return;
      else await run.stdinMore.promise;
    }
  }
}
