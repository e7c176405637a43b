import type { DeviceId, RequestId, SessionId } from '../kernel/ids.ts';
import type { OutputChannel, WatchOffsets } from './types.ts';

/** What goes to a node for one request. */
export interface NodeOrder {
  readonly requestId: RequestId;
  readonly capability: string;
  readonly inputJson: string;
  readonly runTimeoutMs: number;
  /** 0: no limit. */
  readonly queueExpiresAtUnixMs: number;
  /** The same as a time from now, which needs no common clock. 0: no limit. */
  readonly queueLeftMs: number;
  readonly stdinMode: 'none' | 'inline' | 'stream';
  readonly stdin: Buffer | null;
  readonly attached: boolean;
  readonly requestedBy: string;
}

/** The live stream of a device as the dispatcher uses it; the rpc edge makes one per session. */
export interface NodeLink {
  readonly deviceId: DeviceId;
  readonly sessionId: SessionId;
  readonly epoch: number;
  readonly ledgerId: string;
  dispatch(order: NodeOrder): void;
  cancel(requestId: RequestId, reason: string): void;
  acknowledgeResult(requestId: RequestId): void;
  acknowledgeOutput(requestId: RequestId, offsets: WatchOffsets, detached: boolean): void;
}

/** The second stream of one request, opened by the node; standard input goes down on it. */
export interface BulkLink {
  stdin(offset: number, data: Buffer, end: boolean): void;
}

/** A piece of output. */
export interface OutputPiece {
  readonly channel: OutputChannel;
  readonly offset: number;
  readonly data: Buffer;
  /** Bytes right before `offset` that the node no longer has. */
  readonly skippedBytes: number;
}

export type NodeOutcome = 'succeeded' | 'failed' | 'timed_out' | 'cancelled' | 'rejected' | 'expired' | 'interrupted';

export interface ChannelEnd {
  readonly sizeBytes: number;
  readonly sha256: string | null;
}

export interface NodeResult {
  readonly requestId: RequestId;
  readonly outcome: NodeOutcome;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly errorHint: string | null;
  readonly outputJson: string | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly channels: Readonly<Record<OutputChannel, ChannelEnd>>;
  readonly startedAtUnixMs: number | null;
  readonly durationMs: number | null;
  readonly treeKill: string | null;
  readonly receiptSignature: Buffer | null;
}

/** What a node says of a request in its hello. */
export interface LedgerEntry {
  readonly requestId: RequestId;
  readonly state: 'running' | 'finished' | 'lost';
  readonly stdinAckedBytes: number;
  readonly stdinClosed: boolean;
}

/** What the daemon answers to a hello. */
export interface Reconciliation {
  /** Still wanted: the node goes on from these offsets. */
  readonly resume: readonly {
    readonly requestId: RequestId;
    readonly offsets: WatchOffsets;
    readonly stdinBytes: number;
  }[];
  /** Ended here: the node ends them too and drops their results. */
  readonly forget: readonly RequestId[];
}
