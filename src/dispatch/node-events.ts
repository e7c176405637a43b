// What nodes say, each event with the link it came on. A link may speak only about requests of its own device, and
// only while it is the device's newest.
import type { DeviceId, RequestId } from '../kernel/ids.ts';
import { noteRequestState } from '../store/capability-requests.ts';
import type { Deadlines } from './deadlines.ts';
import type { EndRequests } from './end-requests.ts';
import type { HandOver } from './hand-over.ts';
import type { LiveRequest } from './live-request.ts';
import type { BulkLink, LedgerEntry, NodeLink, NodeResult, OutputPiece, Reconciliation } from './node-link.ts';
import type { OpenRequests } from './open-requests.ts';
import { type DispatcherPorts, inBackground } from './ports.ts';
import { reconcile } from './reconcile.ts';

// Short requests end before this, and then `running` is never written.
const LAZY_WRITE_MS = 100;

export class NodeEvents {
  readonly #ports: DispatcherPorts;
  readonly #open: OpenRequests;
  readonly #ends: EndRequests;
  readonly #handOver: HandOver;
  readonly #deadlines: Deadlines;

  constructor(
    ports: DispatcherPorts,
    open: OpenRequests,
    { ends, handOver, deadlines }: { ends: EndRequests; handOver: HandOver; deadlines: Deadlines },
  ) {
    this.#ports = ports;
    this.#open = open;
    this.#ends = ends;
    this.#handOver = handOver;
    this.#deadlines = deadlines;
  }

  /** A stream stands: both sides agree on what is open, then waiting work goes out. */
  hello(link: NodeLink, entries: readonly LedgerEntry[]): Reconciliation {
    this.#open.setLink(link);
    const now = this.#ports.clock.now();
    const durable = this.#open.ofDevice(link.deviceId).filter((live) => live.durable);
    const plan = reconcile(durable, entries, link.ledgerId);
    for (const { live, entry } of plan.resume) {
      if (live.order.stdinMode === 'stream') live.stdin.resumeAt(entry.stdinAckedBytes);
      if (entry.state === 'running' && live.move('started', now)) {
        live.runningSinceUnixMs ??= now;
        this.#deadlines.arm(live);
      }
      this.#handOver.reassign(live, link);
    }
    for (const { live, ending } of plan.end) inBackground(this.#ports, this.#ends.bySelf(live, ending));
    // The welcome must leave before the first dispatch and cancel.
    queueMicrotask(() => {
      for (const { live } of plan.resume) {
        if (live.cancelWish !== undefined) link.cancel(live.requestId, 'cancelled while the node was away');
        live.acknowledge(true);
      }
      for (const live of plan.again) this.#handOver.send(live);
    });
    return {
      resume: plan.resume.map(({ live }) => ({
        requestId: live.requestId,
        offsets: live.received,
        stdinBytes: live.stdin.ackedBytes,
      })),
      forget: plan.forget,
    };
  }

  /** The stream is gone. What was handed over stays open: only the node knows what became of it. */
  linkClosed(link: NodeLink): void {
    this.#open.removeLink(link);
  }

  /** The device lost its trust: everything open for it ends now. */
  async endDevice(deviceId: DeviceId, message: string): Promise<void> {
    const ending = { state: 'cancelled', code: 'device_revoked', message } as const;
    await Promise.all(this.#open.ofDevice(deviceId).map((live) => this.#ends.bySelf(live, ending)));
  }

  started(link: NodeLink, requestId: RequestId, startedAtUnixMs: number): void {
    const live = this.#of(link, requestId);
    if (live === undefined || !live.move('started', startedAtUnixMs)) return;
    live.startedAtUnixMs = startedAtUnixMs;
    live.runningSinceUnixMs ??= this.#ports.clock.now();
    this.#deadlines.arm(live);
    // Not waited for: the node's hello tells it again after a crash.
    this.#ports.clock.after(LAZY_WRITE_MS, () => {
      if (!live.ending && live.state === 'running') this.#noteLazily(live, startedAtUnixMs);
    });
  }

  awaitingLocalMediation(link: NodeLink, requestId: RequestId): void {
    const live = this.#of(link, requestId);
    if (live?.move('asked_locally', this.#ports.clock.now())) this.#noteLazily(live, null);
  }

  output(link: NodeLink, requestId: RequestId, piece: OutputPiece): void {
    const live = this.#of(link, requestId);
    if (live === undefined || live.ending) return;
    live.output(piece);
    if (live.complete) this.#ends.byResult(live);
  }

  result(link: NodeLink, result: NodeResult): void {
    const live = this.#of(link, result.requestId);
    if (live === undefined) {
      // Ended here before: the node must not keep it. That of another device is not its to end.
      if (this.#open.get(result.requestId) === undefined) link.acknowledgeResult(result.requestId);
      return;
    }
    if (live.ending) return;
    live.result = result;
    if (live.complete) this.#ends.byResult(live);
  }

  stdinAcknowledged(link: NodeLink, requestId: RequestId, bytes: number, closed: boolean): void {
    const live = this.#of(link, requestId);
    if (live === undefined) return;
    live.stdin.acknowledge(bytes, closed);
    live.tellStdin();
  }

  /**
   * The node opened the bulk stream of a request. Returns what to call when it closes; undefined when that is not an
   * open request of this link.
   */
  bulkOpened(link: NodeLink, requestId: RequestId, bulk: BulkLink): (() => void) | undefined {
    const live = this.#of(link, requestId);
    if (live === undefined) return undefined;
    if (live.order.stdinMode === 'stream') live.stdin.attach(bulk, live.stdin.ackedBytes);
    return () => live.stdin.detach(bulk);
  }

  /** The open request that this link may speak about. That of another device is refused and audited. */
  #of(link: NodeLink, requestId: RequestId): LiveRequest | undefined {
    const live = this.#open.get(requestId);
    if (live === undefined || !this.#open.isCurrent(link)) return undefined;
    if (live.deviceId === link.deviceId) return live;
    this.#ports.log.warn(
      { device_id: link.deviceId, request_id: requestId },
      'a device spoke about a request of another',
    );
    inBackground(
      this.#ports,
      this.#ports.store.write((tx) =>
        this.#ports.audit(tx, {
          actor: `device:${link.deviceId}`,
          source: 'node',
          action: 'request.foreign_answer',
          subject: requestId,
          deviceId: live.deviceId,
          outcome: 'refused',
        }),
      ),
    );
    return undefined;
  }

  #noteLazily(live: LiveRequest, startedAtUnixMs: number | null): void {
    const { requestId, state } = live;
    inBackground(
      this.#ports,
      this.#ports.store.write((tx) => noteRequestState(tx, requestId, state, startedAtUnixMs)),
    );
  }
}
