import * as z from 'zod';
import type { DeviceId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import { bytes, flag, id, int, json, text, ulid } from './runtime-fields.ts';
import type { PersistedPairingRequest } from './runtime-state.ts';
import type { ApprovalRow, PairingCodeRow } from './schema.ts';

/** Salt, w0 and L have 16 to 65. */
const VERIFIER_BYTES = 1024;

export const persistedPairingCode = z.strictObject({
  code_id: id,
  kind: z.enum(['pin', 'token']),
  selector: id,
  salt: bytes(VERIFIER_BYTES),
  kdf_log_n: int,
  kdf_r: int,
  kdf_p: int,
  w0: bytes(VERIFIER_BYTES),
  l: bytes(VERIFIER_BYTES),
  tries_left: int,
  uses_left: int,
  expires_at_unix_ms: int,
  created_at_unix_ms: int,
  created_by: id,
  constraints_json: json,
}) satisfies z.ZodType<PairingCodeRow>;

const approval = z.strictObject({
  approval_id: id,
  subject_type: z.enum(['pairing', 'capability', 'reinstatement', 'capability_growth', 'recovery']),
  subject_id: id,
  state: z.enum(['pending', 'approved', 'rejected', 'expired', 'consumed']),
  requested_by: id,
  prompt_json: json,
  binding_sha256: id.nullable(),
  created_at_unix_ms: int,
  expires_at_unix_ms: int,
  decided_at_unix_ms: int.nullable(),
  decided_by: id.nullable(),
  reason: text.nullable(),
}) satisfies z.ZodType<ApprovalRow>;

export const persistedPairingRequest = z.strictObject({
  request_id: id,
  session_id: id,
  code_id: id,
  code_kind: z.enum(['pin', 'token']),
  code_created_by: id,
  code_created_at_unix_ms: int,
  approval_id: id,
  device_id: ulid<DeviceId>(),
  state: z.enum(['pending_approval', 'approved']),
  known_key: flag,
  name: text,
  platform: text,
  arch: text,
  os_version: text,
  palyra_version: text,
  hostname: text,
  source_address: text,
  short_string: id,
  csr_der: bytes(LIMITS.csrBytes),
  spki_sha256: id,
  confirm_p_sha256: id,
  requested_json: json,
  granted_json: json.nullable(),
  constraints_json: json,
  certificate_fingerprint: id.nullable(),
  created_at_unix_ms: int,
  expires_at_unix_ms: int,
  decided_at_unix_ms: int.nullable(),
  decided_by: id.nullable(),
  reason: text.nullable(),
  completed_at_unix_ms: int.nullable(),
  approval: approval.nullable(),
}) satisfies z.ZodType<PersistedPairingRequest>;
