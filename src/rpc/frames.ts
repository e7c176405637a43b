// Frames of the hot streams as they look in memory. What was decoded has every scalar (absent ones are 0, '' or an
// empty buffer) and null for an absent message; what is written may leave out anything that says nothing.

/** Enums travel as numbers on the hot streams. */
export const LEDGER_STATE = { running: 1, finished: 2, lost: 3 } as const;
export const OUTPUT_CHANNEL = { stdout: 1, stderr: 2 } as const;
export const OUTCOME = {
  succeeded: 1,
  failed: 2,
  timed_out: 3,
  cancelled: 4,
  rejected: 5,
  expired: 6,
  interrupted: 7,
} as const;
export const STDIN_MODE = { none: 0, inline: 1, stream: 2 } as const;

export type OutcomeName = keyof typeof OUTCOME;
export type ChannelName = keyof typeof OUTPUT_CHANNEL;

/** The name of an enum's number; undefined for one that this version does not know. */
export function nameOf<Name extends string>(map: Readonly<Record<Name, number>>, value: number): Name | undefined {
  return (Object.keys(map) as Name[]).find((name) => map[name] === value);
}

export interface CapabilityOfferMessage {
  readonly name: string;
  readonly available?: boolean;
  readonly unavailable_reason?: string;
}

export interface LedgerEntryMessage {
  readonly request_id: string;
  readonly state: number;
  readonly stdout_acked_bytes?: number;
  readonly stderr_acked_bytes?: number;
  readonly stdin_acked_bytes?: number;
}

export interface HelloMessage {
  readonly session_id: string;
  readonly boot_id: string;
  readonly ledger_id: string;
  readonly entries?: readonly LedgerEntryMessage[];
}

export interface OutputMessage {
  readonly request_id: string;
  readonly channel: number;
  readonly offset: number;
  readonly data: Buffer;
  /** Bytes right before offset that the node no longer has. */
  readonly skipped_bytes?: number;
}

export interface ChannelSummaryMessage {
  readonly size_bytes: number;
  readonly sha256: Buffer;
}

export interface ResultMessage {
  readonly request_id: string;
  readonly outcome: number;
  readonly error_code?: string;
  readonly error_message?: string;
  readonly error_hint?: string;
  readonly output_json?: Buffer;
  readonly exit_code?: number | null;
  readonly signal?: string;
  readonly stdout?: ChannelSummaryMessage | null;
  readonly stderr?: ChannelSummaryMessage | null;
  readonly started_at_unix_ms?: number;
  readonly finished_at_unix_ms?: number;
  readonly duration_ms?: number;
  readonly tree_kill?: string;
  readonly receipt_signature?: Buffer;
  readonly input_sha256?: Buffer;
}

export interface StdinAckMessage {
  readonly request_id: string;
  readonly acked_bytes: number;
  readonly closed?: boolean;
}

export interface NodeFrame {
  readonly hello?: HelloMessage | null;
  readonly accepted?: { readonly request_id: string } | null;
  readonly started?: {
    readonly request_id: string;
    readonly started_at_unix_ms: number;
    readonly pid?: number;
  } | null;
  readonly output?: OutputMessage | null;
  readonly result?: ResultMessage | null;
  readonly awaiting_local_mediation?: {
    readonly request_id: string;
    readonly until_unix_ms?: number;
    readonly reason?: string;
  } | null;
  readonly heartbeat?: {
    readonly node_unix_ms: number;
    readonly running?: number;
    readonly queued?: number;
  } | null;
  readonly health?: { readonly degraded_reason?: string } | null;
  readonly renewed?: { readonly fingerprint_sha256: Buffer } | null;
  readonly stopping?: { readonly reason?: string } | null;
  readonly stdin_ack?: StdinAckMessage | null;
  readonly capabilities_changed?: { readonly capabilities?: readonly CapabilityOfferMessage[] } | null;
  readonly batch?: readonly NodeFrame[];
}

export interface CapabilityDispatchMessage {
  readonly request_id: string;
  readonly capability: string;
  readonly input_json: Buffer;
  readonly run_timeout_ms: number;
  readonly queue_expires_at_unix_ms: number;
  /** 0: no limit. */
  readonly queue_left_ms: number;
  readonly stdin_mode: number;
  readonly stdin: Buffer;
  readonly output_credit_bytes: number;
  readonly attached: boolean;
  readonly epoch: number;
  readonly requested_by: string;
}

export interface ResumeOutputMessage {
  readonly request_id: string;
  readonly stdout_offset_bytes: number;
  readonly stderr_offset_bytes: number;
  readonly stdin_offset_bytes: number;
}

export interface WelcomeMessage {
  readonly heartbeat_ms: number;
  readonly resume?: readonly ResumeOutputMessage[];
  readonly forget?: readonly string[];
}

export interface OutputAckMessage {
  readonly request_id: string;
  readonly stdout_acked_bytes: number;
  readonly stderr_acked_bytes: number;
  readonly detached?: boolean;
}

export interface DaemonFrame {
  readonly welcome?: WelcomeMessage | null;
  readonly dispatch?: CapabilityDispatchMessage | null;
  readonly cancel?: { readonly request_id: string; readonly reason?: string } | null;
  readonly result_ack?: { readonly request_id: string } | null;
  readonly output_ack?: OutputAckMessage | null;
  readonly heartbeat_reply?: { readonly daemon_unix_ms: number; readonly heartbeat_ms: number } | null;
  readonly drain?: { readonly retry_after_ms?: number; readonly reason?: string } | null;
  readonly ca_bundle?: { readonly ca_bundle_der?: readonly Buffer[]; readonly ca_sequence: number } | null;
  readonly renew_certificate?: { readonly reason?: string } | null;
  readonly batch?: readonly DaemonFrame[];
}

export interface BulkFromNode {
  /** Alone in the first message of a stream. */
  readonly request_id?: string;
  readonly output?: OutputMessage | null;
  readonly stdin_ack?: StdinAckMessage | null;
}

export interface BulkFromDaemon {
  readonly stdin?: Buffer;
  readonly stdin_offset_bytes?: number;
  readonly stdin_end?: boolean;
}
