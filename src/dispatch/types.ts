import type { DeviceId, RequestId } from '../kernel/ids.ts';
import type { CapabilityRequestRow, RequestState } from '../store/schema.ts';

/** Who asks: recorded with the request and in the audit. */
export interface Actor {
  /** `operator:<id>` or `system:<part>`. */
  readonly id: string;
  readonly name: string;
  /** Address or `unix`. */
  readonly source: string;
}

/** What an operator asks a node to do. */
export interface DispatchOrder {
  readonly deviceId: DeviceId;
  readonly capability: string;
  /** JSON text of the input; the node validates it again. */
  readonly inputJson: string;
  readonly stdinMode: 'none' | 'inline' | 'stream';
  readonly stdin?: Buffer;
  /** A watcher holds the output back (DESIGN 16.5); otherwise the record keeps head and tail. */
  readonly attached: boolean;
  /** How long it may wait for an offline node; absent: an offline node is refused at once. */
  readonly queueTtlMs?: number;
  readonly runTimeoutMs: number;
  readonly idempotency?: { readonly operatorId: string; readonly key: string; readonly requestSha256: string };
  readonly actor: Actor;
}

export interface DispatchReceipt {
  readonly requestId: RequestId;
  readonly state: RequestState;
  /** The idempotency key was used before: this is the request of then. */
  readonly reused: boolean;
}

export type OutputChannel = 'stdout' | 'stderr';

/** What a watcher is told, in order. Output of a channel is contiguous from the offset it asked for, but for gaps. */
export type WatchEvent =
  | { readonly type: 'state'; readonly state: RequestState; readonly atUnixMs: number }
  | { readonly type: 'output'; readonly channel: OutputChannel; readonly offset: number; readonly data: Buffer }
  /** Bytes that nobody kept: [from, to) of the channel. */
  | { readonly type: 'gap'; readonly channel: OutputChannel; readonly from: number; readonly to: number }
  | { readonly type: 'stdin_acked'; readonly bytes: number; readonly closed: boolean }
  /** The last event: the terminal record. */
  | { readonly type: 'end'; readonly request: CapabilityRequestRow };

export interface WatchOffsets {
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
}

export interface Watcher {
  /** Whether an attached request waits for its acknowledgements; an observer (false) may miss bytes instead. */
  readonly holds?: boolean;
  /**
   * Called in order, never before `watch` has returned. At most LIMITS.requestCreditBytes of output are delivered
   * beyond what was acknowledged, so a watcher may buffer without a limit of its own.
   */
  deliver(event: WatchEvent): void;
}

export interface Attachment {
  /** The watcher has these bytes for good: the node may forget them and go on. */
  acknowledge(offsets: WatchOffsets): void;
  /** Stops the deliveries. An attached request without any watcher becomes detached after the grace. */
  detach(): void;
}

export interface RequestFilter {
  readonly deviceId?: DeviceId;
  readonly states?: readonly RequestState[];
  readonly capability?: string;
  readonly createdBy?: string;
}

export interface Page<T> {
  readonly rows: readonly T[];
  readonly nextCursor: string | null;
}

/** The dispatch room as the operator edge uses it. */
export interface CapabilityDispatch {
  /**
   * Accepts an order; resolves when it is on disk. Errors: node_offline, device_suspended, device_revoked,
   * device_removed, capability_unknown, capability_unapproved, capability_unavailable, idempotency_mismatch,
   * too_many_requests, daemon_draining, store_unavailable, disk_full.
   */
  submit(order: DispatchOrder): Promise<DispatchReceipt>;
  /** Errors: request_not_found. */
  get(requestId: RequestId): Promise<CapabilityRequestRow>;
  list(filter: RequestFilter, cursor: string | null, limit: number): Promise<Page<CapabilityRequestRow>>;
  /** What is kept of the streams of a request. */
  output(requestId: RequestId): Promise<KeptOutput>;
  /** Asks for the end; resolves when the wish is on disk. Errors: request_not_found, request_already_finished. */
  cancel(requestId: RequestId, actor: Actor, reason: string): Promise<CapabilityRequestRow>;
  /** Delivers from the given offsets on. Errors: request_not_found, too_many_requests. */
  watch(requestId: RequestId, from: WatchOffsets, watcher: Watcher): Promise<Attachment>;
  /**
   * Takes standard input at `offset`; resolves when there is room for more. `end` closes it.
   * Errors: request_not_found, request_already_finished, conflict (not a stream, or a gap in the offsets).
   */
  writeStdin(requestId: RequestId, offset: number, data: Buffer, end: boolean): Promise<void>;
}

export interface KeptChannel {
  readonly head: Buffer;
  readonly tail: Buffer | null;
  readonly tailOffsetBytes: number;
  readonly sizeBytes: number;
  readonly truncated: boolean;
}
export type KeptOutput = Readonly<Record<OutputChannel, KeptChannel>>;
