import * as z from 'zod';
import type { DeviceId, SessionId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import { bytes, id, int, json, text, ulid } from './runtime-fields.ts';
import type { PersistedNode } from './runtime-state.ts';
import type { CertificateRow, NodeSessionRow } from './schema.ts';

const MOST_CERTIFICATES = 1000;

const certificate = z.strictObject({
  fingerprint: z.string().regex(/^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/),
  device_id: ulid<DeviceId>(),
  serial: id,
  generation: int,
  state: z.enum(['issued', 'current', 'superseded', 'revoked']),
  csr_sha256: id,
  certificate_der: bytes(LIMITS.certificateBytes),
  not_before_unix_ms: int,
  not_after_unix_ms: int,
  issued_at_unix_ms: int,
  first_used_at_unix_ms: int.nullable(),
  superseded_at_unix_ms: int.nullable(),
}) satisfies z.ZodType<CertificateRow>;

const session = z.strictObject({
  device_id: ulid<DeviceId>(),
  session_id: ulid<SessionId>(),
  daemon_id: id,
  epoch: int,
  boot_id: text,
  ledger_id: text,
  instance_json: json,
  remote_address: text,
  connected_at_unix_ms: int,
  closed_at_unix_ms: int.nullable(),
}) satisfies z.ZodType<NodeSessionRow>;

export const persistedNode = z.strictObject({
  device_id: ulid<DeviceId>(),
  name: text,
  trust: z.enum(['enrolling', 'trusted', 'suspended', 'revoked', 'removed']),
  trust_reason: text.nullable(),
  trust_changed_at_unix_ms: int,
  spki_sha256: id,
  generation: int,
  platform: text,
  arch: text,
  os_version: text,
  palyra_version: text,
  hostname: text,
  labels_json: json,
  granted_json: json,
  withdrawn_json: json,
  offered_json: json,
  pairing_request_id: id,
  created_at_unix_ms: int,
  paired_at_unix_ms: int.nullable(),
  last_seen_at_unix_ms: int.nullable(),
  last_disconnected_at_unix_ms: int.nullable(),
  last_disconnect_reason: text.nullable(),
  seen_tokens_json: json,
  conflict_json: json.nullable(),
  certificates: z.array(certificate).max(MOST_CERTIFICATES),
  session: session.nullable(),
}) satisfies z.ZodType<PersistedNode>;
