// The tables as the program sees them; src/store/migrations makes them. One shape for SQLite and PostgreSQL:
// times are integer milliseconds since the epoch, JSON is text, booleans are 0 or 1, binary is a Buffer.
import type { DeviceId, RequestId, SessionId } from '../kernel/ids.ts';

export type Trust = 'enrolling' | 'trusted' | 'suspended' | 'revoked' | 'removed';
export type PairingState = 'pending_approval' | 'approved' | 'completed' | 'rejected' | 'expired';
export type ApprovalState = 'pending' | 'approved' | 'rejected' | 'expired' | 'consumed';
/** What an approval is about (DESIGN 16.14). */
export type ApprovalSubjectType = 'pairing' | 'capability' | 'reinstatement' | 'capability_growth' | 'recovery';
export type CertificateState = 'issued' | 'current' | 'superseded' | 'revoked';
export type RequestState =
  | 'queued'
  | 'awaiting_approval'
  | 'dispatched'
  | 'awaiting_local_mediation'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'timed_out'
  | 'cancelled'
  | 'rejected'
  | 'expired'
  | 'interrupted';
export type Role = 'viewer' | 'operator' | 'approver' | 'admin' | 'service';

export interface MetaRow {
  key: string;
  value: string;
}

export interface DaemonInstanceRow {
  daemon_id: string;
  boot_id: string;
  pid: number;
  version: string;
  address: string;
  started_at_unix_ms: number;
  beat_at_unix_ms: number;
  draining: number;
}

export interface DeviceRow {
  device_id: DeviceId;
  name: string;
  trust: Trust;
  trust_reason: string | null;
  trust_changed_at_unix_ms: number;
  /** SHA-256 of the public key, hex. A device is its key. */
  spki_sha256: string;
  /** Generation of the newest certificate. */
  generation: number;
  platform: string;
  arch: string;
  os_version: string;
  palyra_version: string;
  hostname: string;
  labels_json: string;
  /** Names the approver granted: the ceiling of what may be called. */
  granted_json: string;
  /** Names an operator withdrew; outlives reconnects. */
  withdrawn_json: string;
  /** `[{name, available, unavailable_reason}]` as the node last announced it. */
  offered_json: string;
  pairing_request_id: string;
  created_at_unix_ms: number;
  paired_at_unix_ms: number | null;
  last_seen_at_unix_ms: number | null;
  last_disconnected_at_unix_ms: number | null;
  last_disconnect_reason: string | null;
  /** SHA-256 of the two newest last_seen_tokens, hex; the newest first. */
  seen_tokens_json: string;
  conflict_json: string | null;
}

export interface CertificateRow {
  /** SHA-256 of the DER, upper-case hex with colons: as Node's `fingerprint256`. */
  fingerprint: string;
  device_id: DeviceId;
  serial: string;
  generation: number;
  state: CertificateState;
  csr_sha256: string;
  certificate_der: Buffer;
  not_before_unix_ms: number;
  not_after_unix_ms: number;
  issued_at_unix_ms: number;
  first_used_at_unix_ms: number | null;
  superseded_at_unix_ms: number | null;
}

export interface PairingCodeRow {
  code_id: string;
  kind: 'pin' | 'token';
  /** The public part of the code by which its row is found. */
  selector: string;
  salt: Buffer;
  kdf_log_n: number;
  kdf_r: number;
  kdf_p: number;
  /** SPAKE2+ verifier: w0 (32 bytes) and L (65 bytes). Never the code itself. */
  w0: Buffer;
  l: Buffer;
  tries_left: number;
  uses_left: number;
  expires_at_unix_ms: number;
  created_at_unix_ms: number;
  created_by: string;
  /** `{labels, capabilities, auto_approve, name}` fixed by whoever made the code. */
  constraints_json: string;
}

export interface PairingRequestRow {
  request_id: string;
  session_id: string;
  code_id: string;
  code_kind: 'pin' | 'token';
  code_created_by: string;
  code_created_at_unix_ms: number;
  approval_id: string;
  device_id: DeviceId;
  state: PairingState;
  /** Device is enrolled already under this key; approval keeps its id, name and history. */
  known_key: number;
  name: string;
  platform: string;
  arch: string;
  os_version: string;
  palyra_version: string;
  hostname: string;
  source_address: string;
  /** Six digits that both ends show. */
  short_string: string;
  csr_der: Buffer;
  spki_sha256: string;
  confirm_p_sha256: string;
  requested_json: string;
  granted_json: string | null;
  constraints_json: string;
  certificate_fingerprint: string | null;
  created_at_unix_ms: number;
  expires_at_unix_ms: number;
  decided_at_unix_ms: number | null;
  decided_by: string | null;
  reason: string | null;
  completed_at_unix_ms: number | null;
}

export interface ApprovalRow {
  approval_id: string;
  subject_type: ApprovalSubjectType;
  subject_id: string;
  state: ApprovalState;
  requested_by: string;
  /** What the approver is shown. */
  prompt_json: string;
  /** SHA-256 over what exactly is approved, hex; null where the subject row says it all. */
  binding_sha256: string | null;
  created_at_unix_ms: number;
  expires_at_unix_ms: number;
  decided_at_unix_ms: number | null;
  decided_by: string | null;
  reason: string | null;
}

export interface NodeSessionRow {
  device_id: DeviceId;
  session_id: SessionId;
  daemon_id: string;
  /** Grows with each session of the device; the fence of every write about it. */
  epoch: number;
  boot_id: string;
  ledger_id: string;
  instance_json: string;
  remote_address: string;
  connected_at_unix_ms: number;
  closed_at_unix_ms: number | null;
}

export interface CapabilityRequestRow {
  request_id: RequestId;
  device_id: DeviceId;
  capability: string;
  state: RequestState;
  /** Session it was handed to; null while queued. */
  session_epoch: number | null;
  ledger_id: string | null;
  input_json: string;
  input_sha256: string;
  stdin_mode: 'none' | 'inline' | 'stream';
  stdin: Buffer | null;
  attached: number;
  created_by: string;
  created_at_unix_ms: number;
  queue_expires_at_unix_ms: number | null;
  run_timeout_ms: number;
  cancel_requested_at_unix_ms: number | null;
  cancel_requested_by: string | null;
  dispatched_at_unix_ms: number | null;
  started_at_unix_ms: number | null;
  /** Set exactly when the state is terminal: open requests are `completed_at_unix_ms IS NULL`. */
  completed_at_unix_ms: number | null;
  duration_ms: number | null;
  exit_code: number | null;
  signal: string | null;
  error_code: string | null;
  error_message: string | null;
  error_hint: string | null;
  output_json: string | null;
  stdout_bytes: number;
  stderr_bytes: number;
  stdout_sha256: string | null;
  stderr_sha256: string | null;
  truncated: number;
  tree_kill: string | null;
  receipt_signature: Buffer | null;
  /** Fan-out this request is a target of. */
  parent_id: string | null;
}

/** What is kept of a request's streams; no row where a stream was empty. */
export interface RequestOutputRow {
  request_id: RequestId;
  channel: 'stdout' | 'stderr';
  head: Buffer;
  /** The last bytes, when there are more than head holds. */
  tail: Buffer | null;
  tail_offset_bytes: number;
}

export interface IdempotencyKeyRow {
  operator_id: string;
  key: string;
  request_sha256: string;
  resource_id: string;
  created_at_unix_ms: number;
}

export interface OperatorRow {
  operator_id: string;
  name: string;
  role: Role;
  secret_sha256: string;
  /** `{capabilities, selector}` or null for everything the role may do. */
  scopes_json: string | null;
  created_by: string;
  created_at_unix_ms: number;
  expires_at_unix_ms: number | null;
  revoked_at_unix_ms: number | null;
  last_used_at_unix_ms: number | null;
}

export interface AuditRow {
  daemon_id: string;
  seq: number;
  at_unix_ms: number;
  actor: string;
  source: string;
  action: string;
  subject: string;
  device_id: string | null;
  outcome: string;
  details_json: string;
  prev_sha256: string;
  sha256: string;
}

export interface AuditHeadRow {
  daemon_id: string;
  seq: number;
  at_unix_ms: number;
  sha256: string;
  signature: Buffer;
  key_id: string;
}

export interface Schema {
  meta: MetaRow;
  daemon_instances: DaemonInstanceRow;
  devices: DeviceRow;
  certificates: CertificateRow;
  pairing_codes: PairingCodeRow;
  pairing_requests: PairingRequestRow;
  approvals: ApprovalRow;
  node_sessions: NodeSessionRow;
  capability_requests: CapabilityRequestRow;
  request_output: RequestOutputRow;
  idempotency_keys: IdempotencyKeyRow;
  operators: OperatorRow;
  audit_rows: AuditRow;
  audit_heads: AuditHeadRow;
}
