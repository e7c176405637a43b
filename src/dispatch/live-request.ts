import type { DeviceId, RequestId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { CapabilityRequestRow, RequestState } from '../store/schema.ts';
import { ChannelOutput } from './channel-output.ts';
import type { NodeLink, NodeOrder, NodeResult, OutputPiece } from './node-link.ts';
import { nextRequestState, type RequestEvent } from './states.ts';
import { StdinRelay } from './stdin-relay.ts';
import type { OutputChannel, WatchEvent, Watcher, WatchOffsets } from './types.ts';

const CHANNELS = ['stdout', 'stderr'] as const satisfies readonly OutputChannel[];

interface Watching {
  readonly watcher: Watcher;
  readonly sent: Record<OutputChannel, number>;
  readonly acked: Record<OutputChannel, number>;
}

/** What an open request is in memory. Its row is the truth; this is what must not wait for it. */
export class LiveRequest {
  readonly requestId: RequestId;
  readonly deviceId: DeviceId;
  readonly order: Omit<NodeOrder, 'queueLeftMs'>;
  readonly channels: Readonly<Record<OutputChannel, ChannelOutput>> = {
    stdout: new ChannelOutput(),
    stderr: new ChannelOutput(),
  };
  readonly stdin = new StdinRelay();
  state: RequestState;
  /** Link it was handed to; its epoch is in the row. */
  link: NodeLink | undefined;
  /** Epoch and ledger in the row. */
  epoch: number | null;
  ledgerId: string | null;
  dispatchedAtUnixMs: number | null;
  /** As the node says, by its own clock. */
  startedAtUnixMs: number | null;
  /** When this daemon heard that it runs: deadlines go by one clock, and by no word of a node. */
  runningSinceUnixMs: number | null = null;
  cancelWish: string | undefined;
  /** False until the accepting transaction is on disk: nothing may leave before. */
  durable: boolean;
  /** The node's result, held until all the output it counts has come. */
  result: NodeResult | undefined;
  /** A terminal state is being written. */
  ending = false;
  attached: boolean;
  /** Stops the timer that detaches it for want of a watcher. */
  stopGrace: (() => void) | undefined;
  stopDeadline: (() => void) | undefined;
  readonly #watchings = new Set<Watching>();
  #ackedToNode: WatchOffsets = { stdoutBytes: 0, stderrBytes: 0 };

  constructor(row: Omit<CapabilityRequestRow, never>, durable: boolean) {
    this.requestId = row.request_id;
    this.deviceId = row.device_id;
    this.state = row.state;
    this.epoch = row.session_epoch;
    this.ledgerId = row.ledger_id;
    this.dispatchedAtUnixMs = row.dispatched_at_unix_ms;
    this.startedAtUnixMs = row.started_at_unix_ms;
    this.cancelWish = row.cancel_requested_by ?? undefined;
    this.attached = row.attached === 1;
    this.durable = durable;
    this.order = {
      requestId: row.request_id,
      capability: row.capability,
      inputJson: row.input_json,
      runTimeoutMs: row.run_timeout_ms,
      queueExpiresAtUnixMs: row.queue_expires_at_unix_ms ?? 0,
      stdinMode: row.stdin_mode,
      stdin: row.stdin,
      attached: this.attached,
      requestedBy: row.created_by,
    };
  }

  /** Follows the state table; false when the event means nothing in this state. */
  move(event: RequestEvent, atUnixMs: number): boolean {
    const next = nextRequestState(this.state, event);
    if (next === undefined) return false;
    if (next !== this.state) {
      this.state = next;
      this.#tell({ type: 'state', state: next, atUnixMs });
    }
    return true;
  }

  get watchers(): number {
    return this.#watchings.size;
  }

  get received(): WatchOffsets {
    return { stdoutBytes: this.channels.stdout.received, stderrBytes: this.channels.stderr.received };
  }

  /** Whether every byte that the result counts is here. */
  get complete(): boolean {
    const { result } = this;
    if (result === undefined) return false;
    return CHANNELS.every((name) => this.channels[name].received >= result.channels[name].sizeBytes);
  }

  addWatcher(watcher: Watcher, from: WatchOffsets): { readonly pump: () => void; readonly watching: Watching } {
    const watching: Watching = {
      watcher,
      sent: { stdout: from.stdoutBytes, stderr: from.stderrBytes },
      acked: { stdout: from.stdoutBytes, stderr: from.stderrBytes },
    };
    this.#watchings.add(watching);
    return { watching, pump: () => this.#pump(watching) };
  }

  removeWatcher(watching: Watching): void {
    this.#watchings.delete(watching);
    this.acknowledge();
  }

  watcherAcknowledged(watching: Watching, offsets: WatchOffsets): void {
    watching.acked.stdout = Math.max(watching.acked.stdout, Math.min(offsets.stdoutBytes, watching.sent.stdout));
    watching.acked.stderr = Math.max(watching.acked.stderr, Math.min(offsets.stderrBytes, watching.sent.stderr));
    this.#pump(watching);
    this.acknowledge();
  }

  /** Bytes from the node; false when some before them are missing. */
  output({ channel, offset, data, skippedBytes }: OutputPiece): boolean {
    if (skippedBytes > 0) this.channels[channel].skip(offset - skippedBytes, offset);
    if (!this.channels[channel].append(offset, data)) return false;
    for (const watching of this.#watchings) this.#pump(watching);
    this.acknowledge();
    return true;
  }

  /**
   * Tells the node what it may forget: all that is here when the request is detached, else what the slowest watcher
   * that holds it has taken. Small steps are kept back: an acknowledgement per chunk would double the messages.
   */
  acknowledge(always = false): void {
    const offsets = this.attached ? this.#slowest() : this.received;
    this.channels.stdout.release(offsets.stdoutBytes);
    this.channels.stderr.release(offsets.stderrBytes);
    const step =
      offsets.stdoutBytes - this.#ackedToNode.stdoutBytes + (offsets.stderrBytes - this.#ackedToNode.stderrBytes);
    if (this.link === undefined || this.result !== undefined) return;
    if (!always && step < LIMITS.requestCreditBytes / 8) return;
    this.#ackedToNode = offsets;
    this.link.acknowledgeOutput(this.requestId, offsets, !this.attached);
  }

  tellStdin(): void {
    this.#tell({ type: 'stdin_acked', bytes: this.stdin.ackedBytes, closed: this.stdin.closed });
  }

  /** The last event of every watcher, after the output it still lacks. */
  end(request: CapabilityRequestRow): void {
    for (const watching of this.#watchings) {
      this.#pump(watching, Number.POSITIVE_INFINITY);
      watching.watcher.deliver({ type: 'end', request });
    }
    this.#watchings.clear();
  }

  #slowest(): WatchOffsets {
    let { stdoutBytes, stderrBytes } = this.#ackedToNode;
    const holders = [...this.#watchings].filter(({ watcher }) => watcher.holds !== false);
    if (holders.length > 0) {
      stdoutBytes = Math.max(stdoutBytes, Math.min(...holders.map(({ acked }) => acked.stdout)));
      stderrBytes = Math.max(stderrBytes, Math.min(...holders.map(({ acked }) => acked.stderr)));
    }
    return { stdoutBytes, stderrBytes };
  }

  #tell(event: WatchEvent): void {
    for (const { watcher } of this.#watchings) watcher.deliver(event);
  }

  #pump(watching: Watching, credit: number = LIMITS.requestCreditBytes): void {
    for (const channel of CHANNELS) {
      for (;;) {
        const outstanding = watching.sent.stdout - watching.acked.stdout + watching.sent.stderr - watching.acked.stderr;
        if (outstanding >= credit) break;
        const from = watching.sent[channel];
        const found = this.channels[channel].read(from);
        if (found === undefined) break;
        if ('missingUntil' in found) {
          watching.sent[channel] = found.missingUntil;
          watching.acked[channel] = found.missingUntil;
          watching.watcher.deliver({ type: 'gap', channel, from, to: found.missingUntil });
        } else {
          watching.sent[channel] = from + found.data.length;
          watching.watcher.deliver({ type: 'output', channel, offset: from, data: found.data });
        }
      }
    }
  }
}
