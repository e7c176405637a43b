// Capability requests from acceptance to their one end. Three promises shape it: a request is on disk before a node
// sees it, a result is on disk before the node may forget it, and what ended stays ended.
import { PalyraError } from '../kernel/errors.ts';
import type { RequestId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import { findRequest, listRequests, noteCancelWish, openRequests } from '../store/capability-requests.ts';
import type { CapabilityRequestRow } from '../store/schema.ts';
import { acceptedRow, writeAcceptance } from './accept.ts';
import { Deadlines } from './deadlines.ts';
import { EndRequests } from './end-requests.ts';
import { CANCELLED_BEFORE_START } from './ending.ts';
import { HandOver } from './hand-over.ts';
import { keptOutput, replay } from './kept-output.ts';
import { LiveRequest } from './live-request.ts';
import { NodeEvents } from './node-events.ts';
import { OpenRequests } from './open-requests.ts';
import { type DispatcherPorts, inBackground } from './ports.ts';
import { isTerminal } from './states.ts';
import { assertDispatchable, type DispatchTarget } from './target.ts';
import type {
  Actor,
  Attachment,
  CapabilityDispatch,
  DispatchOrder,
  DispatchReceipt,
  KeptOutput,
  Page,
  RequestFilter,
  Watcher,
  WatchOffsets,
} from './types.ts';

export class Dispatcher implements CapabilityDispatch {
  /** For the rpc edge: what nodes say. */
  readonly nodes: NodeEvents;
  readonly #ports: DispatcherPorts;
  readonly #open = new OpenRequests();
  readonly #ends: EndRequests;
  readonly #handOver: HandOver;
  readonly #deadlines: Deadlines;
  #draining = false;

  constructor(ports: DispatcherPorts) {
    this.#ports = ports;
    this.#ends = new EndRequests(ports, this.#open);
    this.#deadlines = new Deadlines(ports.clock, (live, ending) =>
      inBackground(ports, this.#ends.bySelf(live, ending)),
    );
    this.#handOver = new HandOver(ports, this.#open, this.#ends, this.#deadlines);
    this.nodes = new NodeEvents(ports, this.#open, {
      ends: this.#ends,
      handOver: this.#handOver,
      deadlines: this.#deadlines,
    });
  }

  /** Loads what was open when the daemon last stopped. Before the listeners open. */
  async start(): Promise<void> {
    let after: RequestId | null = null;
    for (;;) {
      const rows: CapabilityRequestRow[] = await openRequests(this.#ports.store.reader, after, LIMITS.pageRowsLargest);
      for (const row of rows) {
        const live = new LiveRequest(row, true);
        // How long it has run is not known any more: it gets its whole time once more.
        if (live.startedAtUnixMs !== null) live.runningSinceUnixMs = this.#ports.clock.now();
        this.#adopt(live);
        this.#armGrace(live);
      }
      after = rows.at(-1)?.request_id ?? null;
      if (rows.length < LIMITS.pageRowsLargest) return;
    }
  }

  /** From now on nothing new is accepted; what runs goes on. */
  drain(): void {
    this.#draining = true;
  }

  /** Number of open requests. */
  get open(): number {
    return this.#open.size;
  }

  async submit(order: DispatchOrder): Promise<DispatchReceipt> {
    if (this.#draining) {
      throw new PalyraError('daemon_draining', 'the daemon is stopping', { hint: 'try again in a moment' });
    }
    const target = await this.#ports.target(order.deviceId);
    if (target === undefined) {
      throw new PalyraError('node_not_found', `no node has the id ${order.deviceId}`, { hint: 'palyra nodes list' });
    }
    const refusal = this.#refusal(order, target);
    const row = acceptedRow(
      order,
      this.#open.linkOf(order.deviceId),
      this.#ports.newId() as RequestId,
      this.#ports.clock.now(),
    );
    const live = new LiveRequest(row, false);
    // Before the write: a hello that comes meanwhile must see that the device has this one.
    if (refusal === undefined) this.#adopt(live);
    try {
      const acceptance = await this.#ports.store.write((tx) =>
        writeAcceptance(tx, this.#ports.audit, order, row, refusal),
      );
      if (acceptance.kind === 'refused') throw acceptance.cause;
      if (acceptance.kind === 'reused') {
        this.#open.remove(live);
        return { requestId: acceptance.row.request_id, state: acceptance.row.state, reused: true };
      }
    } catch (cause) {
      this.#open.remove(live);
      throw cause;
    }
    live.durable = true;
    this.#armGrace(live);
    this.#handOver.send(live);
    return { requestId: live.requestId, state: live.state, reused: false };
  }

  async get(requestId: RequestId): Promise<CapabilityRequestRow> {
    const row = await findRequest(this.#ports.store.reader, requestId);
    if (row === undefined) {
      throw new PalyraError('request_not_found', `no request has the id ${requestId}`, {
        hint: 'palyra requests list',
      });
    }
    const live = this.#open.get(requestId);
    if (live === undefined || isTerminal(row.state)) return row;
    // The row lags behind for what is written lazily.
    return {
      ...row,
      state: live.state,
      started_at_unix_ms: live.startedAtUnixMs,
      stdout_bytes: live.received.stdoutBytes,
      stderr_bytes: live.received.stderrBytes,
    };
  }

  async list(filter: RequestFilter, cursor: string | null, limit: number): Promise<Page<CapabilityRequestRow>> {
    const found = await listRequests(this.#ports.store.reader, filter, cursor as RequestId | null, limit + 1);
    const rows = found
      .slice(0, limit)
      .map((row) => ({ ...row, state: this.#open.get(row.request_id)?.state ?? row.state }));
    return { rows, nextCursor: found.length > limit ? (rows.at(-1)?.request_id ?? null) : null };
  }

  async output(requestId: RequestId): Promise<KeptOutput> {
    const live = this.#open.get(requestId);
    if (live !== undefined) return { stdout: live.channels.stdout.kept(), stderr: live.channels.stderr.kept() };
    return keptOutput(this.#ports.store.reader, await this.get(requestId));
  }

  async cancel(requestId: RequestId, actor: Actor, reason: string): Promise<CapabilityRequestRow> {
    const { device_id: deviceId } = await this.get(requestId);
    const noted = await this.#ports.store.write(async (tx) => {
      if (!(await noteCancelWish(tx, requestId, actor.id, this.#ports.clock.now()))) return false;
      await this.#ports.audit(tx, {
        actor: actor.id,
        source: actor.source,
        action: 'request.cancel',
        subject: requestId,
        deviceId,
        outcome: 'accepted',
        details: { reason },
      });
      return true;
    });
    if (!noted) {
      const { state } = await this.get(requestId);
      throw new PalyraError('request_already_finished', `request ${requestId} has ended: ${state}`, {
        hint: `palyra requests show ${requestId}`,
      });
    }
    const live = this.#open.get(requestId);
    if (live !== undefined) {
      live.cancelWish = actor.id;
      if (live.state === 'queued' || live.state === 'awaiting_approval') {
        await this.#ends.bySelf(live, CANCELLED_BEFORE_START);
      } else {
        live.link?.cancel(requestId, reason);
      }
    }
    return this.get(requestId);
  }

  async watch(requestId: RequestId, from: WatchOffsets, watcher: Watcher): Promise<Attachment> {
    const live = this.#open.get(requestId);
    if (live === undefined) {
      const row = await this.get(requestId);
      return replay(watcher, from, row, await keptOutput(this.#ports.store.reader, row));
    }
    if (live.watchers >= LIMITS.watchersPerRequest) {
      throw new PalyraError('too_many_requests', `request ${requestId} has ${live.watchers} watchers already`);
    }
    live.stopGrace?.();
    live.stopGrace = undefined;
    const { watching, pump } = live.addWatcher(watcher, from);
    // Not before the caller has its attachment.
    queueMicrotask(() => {
      watcher.deliver({ type: 'state', state: live.state, atUnixMs: this.#ports.clock.now() });
      if (live.order.stdinMode === 'stream') live.tellStdin();
      pump();
      // A watcher that comes back has what lies before its offsets: the node may be waiting to hear that.
      live.acknowledge();
    });
    return {
      acknowledge: (offsets) => live.watcherAcknowledged(watching, offsets),
      detach: () => {
        live.removeWatcher(watching);
        this.#armGrace(live);
      },
    };
  }

  async writeStdin(requestId: RequestId, offset: number, data: Buffer, end: boolean): Promise<void> {
    const live = this.#open.get(requestId);
    if (live === undefined) {
      const { state } = await this.get(requestId);
      throw new PalyraError('request_already_finished', `request ${requestId} has ended: ${state}`);
    }
    if (live.order.stdinMode !== 'stream') {
      throw new PalyraError('conflict', `request ${requestId} was made without standard input`);
    }
    await live.stdin.take(offset, data, end);
  }

  #refusal(order: DispatchOrder, target: DispatchTarget): PalyraError | undefined {
    try {
      assertDispatchable(target, order.capability);
    } catch (cause) {
      if (cause instanceof PalyraError) return cause;
      throw cause;
    }
    if (this.#open.linkOf(order.deviceId) === undefined && order.queueTtlMs === undefined) {
      const why = target.lastDisconnectReason === null ? '' : ` (${target.lastDisconnectReason})`;
      return new PalyraError('node_offline', `${target.name} is not connected${why}`, {
        hint: 'start it with `palyra node start` there, or let the request wait with --queue-ttl 1h',
      });
    }
    if (this.#open.countOf(order.deviceId) >= LIMITS.openRequestsPerDevice) {
      return new PalyraError('too_many_requests', `${target.name} has ${LIMITS.openRequestsPerDevice} open requests`, {
        hint: 'wait until some of them end',
        details: { retry_after_ms: 1_000 },
      });
    }
    return undefined;
  }

  #adopt(live: LiveRequest): void {
    this.#open.add(live);
    this.#deadlines.arm(live);
  }

  /** An attached request without a watcher goes on as detached after the grace. */
  #armGrace(live: LiveRequest): void {
    if (!live.attached || live.watchers > 0 || live.ending || live.stopGrace !== undefined) return;
    live.stopGrace = this.#ports.clock.after(this.#ports.watcherGraceMs ?? LIMITS.watcherGraceMs, () => {
      live.stopGrace = undefined;
      if (live.watchers > 0) return;
      live.attached = false;
      live.acknowledge(true);
    });
  }
}
