// The arrow between a session and the requests it carries: sessions come and go, requests outlive them.
import type {
  BulkFromDaemon,
  CapabilityDispatchMessage,
  LedgerEntryMessage,
  NodeFrame,
  OutputAckMessage,
  WelcomeMessage,
} from '../../rpc/frames.ts';
import type { BulkStream, StreamEvents } from '../../rpc/node-client.ts';

/** The way up to the daemon while one session is open. */
export interface RequestUplink {
  send(frame: NodeFrame, payloadBytes?: number): void;
  openBulk(requestId: string, events: StreamEvents<BulkFromDaemon>): BulkStream;
}

/** What is under way, for heartbeats and `status.json`. */
export interface RequestCounts {
  readonly running: number;
  readonly queued: number;
}

/** The requests of this machine, as a session sees them. */
export interface NodeRequests {
  /** For hello: names this ledger; another one means that what the old one knew is lost. */
  readonly ledgerId: string;
  /** For hello: everything that the daemon has not acknowledged. */
  entries(): readonly LedgerEntryMessage[];
  /** The daemon welcomed a session: forget what it forgets, send what it lacks from its offsets on, then go on live. */
  attach(uplink: RequestUplink, welcome: WelcomeMessage): void;
  /** The session is gone. What runs goes on; what is not acknowledged is kept for the next one. */
  detach(): void;
  /** A malformed one ends that request, never the session. */
  dispatch(message: CapabilityDispatchMessage): void;
  cancel(requestId: string, reason: string): void;
  resultAck(requestId: string): void;
  outputAck(message: OutputAckMessage): void;
  counts(): RequestCounts;
  /** Called at every change of `counts`. */
  onCounts(listener: () => void): void;
  /**
   * Takes no new work, waits at most `graceMs` for what runs, ends the rest as interrupted and waits until its
   * processes are gone. Results stay in the ledger for the next start where no session takes them.
   */
  stop(graceMs: number): Promise<void>;
}
