// The JSON of the operator API, as the daemon's edge writes it and the operator's client reads it.

export const TRUSTS = ['enrolling', 'trusted', 'suspended', 'revoked', 'removed'] as const;
type Trust = (typeof TRUSTS)[number];
export const PAIRING_STATES = ['pending_approval', 'approved', 'completed', 'rejected', 'expired'] as const;
export type PairingState = (typeof PAIRING_STATES)[number];
export const REQUEST_STATES = [
  'queued',
  'awaiting_approval',
  'dispatched',
  'awaiting_local_mediation',
  'running',
  'succeeded',
  'failed',
  'timed_out',
  'cancelled',
  'rejected',
  'expired',
  'interrupted',
] as const;
export type RequestState = (typeof REQUEST_STATES)[number];
export const PRESENCES = ['online', 'stale', 'offline', 'degraded'] as const;
export type Presence = (typeof PRESENCES)[number];

export interface CapabilityView {
  readonly name: string;
  /** Offered, granted and not withdrawn: a request for it would be accepted now. */
  readonly available: boolean;
  readonly unavailable_reason: string | null;
  readonly state: 'granted' | 'unapproved' | 'withdrawn';
}

/** A running process of a device. */
interface InstanceView {
  readonly session_id: string;
  readonly boot_id: string;
  readonly pid: number;
  readonly remote_address: string;
  readonly palyra_version: string;
  readonly started_at_unix_ms: number;
  readonly connected_at_unix_ms: number;
}

export interface NodeView {
  readonly device_id: string;
  readonly name: string;
  readonly trust: Trust;
  readonly trust_reason: string | null;
  readonly presence: Presence;
  readonly degraded_reason: string | null;
  readonly platform: string;
  readonly arch: string;
  readonly os_version: string;
  readonly palyra_version: string;
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly capabilities: readonly CapabilityView[];
  readonly capability_summary: { readonly total: number; readonly available: number; readonly unavailable: number };
  /** SHA-256 of the public key, hex: what the device is. */
  readonly key_sha256: string;
  readonly created_at_unix_ms: number;
  readonly paired_at_unix_ms: number | null;
  readonly last_seen_at_unix_ms: number | null;
  readonly last_disconnected_at_unix_ms: number | null;
  readonly last_disconnect_reason: string | null;
  readonly clock_skew_ms: number | null;
  readonly instance: InstanceView | null;
}

export interface NodesView {
  readonly nodes: readonly NodeView[];
  readonly next_cursor: string | null;
}

/** The only answer that ever carries a PIN. */
export interface MintedCodeView {
  pin: string;
  code_id: string;
  expires_at_unix_ms: number;
}

export interface PairingCodeView {
  code_id: string;
  kind: 'pin' | 'token';
  tries_left: number;
  uses_left: number;
  expires_at_unix_ms: number;
  created_at_unix_ms: number;
  created_by: string;
  name: string | null;
  labels: Record<string, string>;
  /** The most that a machine paired with it may be granted; null for no ceiling. */
  capabilities: string[] | null;
}

export interface PairingCodesView {
  codes: PairingCodeView[];
  next_cursor: string | null;
}

export interface PairingRequestView {
  request_id: string;
  approval_id: string;
  device_id: string;
  state: PairingState;
  name: string;
  /** Six digits that the machine shows too. */
  short_string: string;
  /** The same key was enrolled before. */
  known_key: boolean;
  platform: string;
  arch: string;
  os_version: string;
  palyra_version: string;
  hostname: string;
  source_address: string;
  identity_fingerprint: string;
  requested_capabilities: string[];
  /** What an approval grants at most: what was requested, under the ceiling of the code. */
  grantable_capabilities: string[];
  granted_capabilities: string[] | null;
  code_id: string;
  code_kind: 'pin' | 'token';
  code_created_by: string;
  code_created_at_unix_ms: number;
  created_at_unix_ms: number;
  expires_at_unix_ms: number;
  decided_at_unix_ms: number | null;
  decided_by: string | null;
  reason: string | null;
  completed_at_unix_ms: number | null;
}

export interface PairingRequestsView {
  requests: PairingRequestView[];
  next_cursor: string | null;
}

export interface RequestErrorView {
  code: string;
  message: string;
  hint: string | null;
}

export interface RequestView {
  request_id: string;
  device_id: string;
  capability: string;
  state: RequestState;
  /** As it was asked for; values of `secret_env` are left out. */
  input: unknown;
  stdin_mode: 'none' | 'inline' | 'stream';
  created_by: string;
  created_at_unix_ms: number;
  queue_expires_at_unix_ms: number | null;
  run_timeout_ms: number;
  cancel_requested_at_unix_ms: number | null;
  cancel_requested_by: string | null;
  dispatched_at_unix_ms: number | null;
  started_at_unix_ms: number | null;
  completed_at_unix_ms: number | null;
  duration_ms: number | null;
  exit_code: number | null;
  signal: string | null;
  error: RequestErrorView | null;
  /** Structured output of the capability. */
  output: unknown;
  stdout_bytes: number;
  stderr_bytes: number;
  stdout_sha256: string | null;
  stderr_sha256: string | null;
  /** The record holds less than the program wrote. */
  truncated: boolean;
  tree_kill: string | null;
}

export interface RequestsView {
  requests: RequestView[];
  next_cursor: string | null;
}

export interface AcceptedRequestView {
  request_id: string;
  device_id: string;
  state: RequestState;
  reused: boolean;
}

/** What is kept of one stream; the bytes as text, or as base64 where they are not UTF-8. */
export interface KeptChannelView {
  size_bytes: number;
  truncated: boolean;
  head?: string;
  head_base64?: string;
  tail?: string;
  tail_base64?: string;
  tail_offset_bytes: number;
}

export interface KeptOutputView {
  request_id: string;
  stdout: KeptChannelView;
  stderr: KeptChannelView;
}

/** What a capability request is asked for with. */
export interface CreateRequestBody {
  /** Name, id or unique prefix of an id. */
  node: string;
  capability: string;
  input: unknown;
  stdin_mode?: 'none' | 'inline' | 'stream' | undefined;
  stdin_base64?: string | undefined;
  queue_ttl_ms?: number | undefined;
  run_timeout_ms?: number | undefined;
}

/** The events of a watch stream but for output, which each encoding writes in its own way. */
export type StreamEvent =
  | { type: 'request'; request_id: string; device_id: string; state: RequestState; reused: boolean; watch_id: string }
  | { type: 'state'; state: RequestState; at_unix_ms: number }
  | { type: 'gap'; channel: 'stdout' | 'stderr'; from: number; to: number }
  | { type: 'stdin_acked'; bytes: number; closed: boolean }
  | { type: 'end'; request: RequestView }
  | { type: 'error'; error: ErrorView };

export interface ErrorView {
  code: string;
  message: string;
  hint?: string;
  request_id?: string;
  details?: Record<string, unknown>;
}

export interface VersionView {
  version: string;
  api: 'v1';
  min_client_version: string;
  daemon_id: string;
  platform: string;
  arch: string;
  node_version: string;
}
