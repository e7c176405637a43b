import * as z from 'zod';
import type { DeviceId, RequestId } from '../kernel/ids.ts';
import { bytes, flag, id, int, json, text, ulid } from './runtime-fields.ts';
import { persistedNode } from './runtime-node-schema.ts';
import { persistedPairingCode, persistedPairingRequest } from './runtime-pairing-schema.ts';
import type { PersistedNodeRuntimeState } from './runtime-state.ts';
import type { CapabilityRequestRow } from './schema.ts';

/** Standard input that an approval binds is the most that is kept of any (DESIGN 16.9), with room. */
const STDIN_BYTES = 16 * 1024 * 1024;
const SIGNATURE_BYTES = 1024;

const capabilityRequest = z.strictObject({
  request_id: ulid<RequestId>(),
  device_id: ulid<DeviceId>(),
  capability: id,
  state: z.enum(['queued', 'awaiting_approval', 'dispatched', 'awaiting_local_mediation', 'running']),
  session_epoch: int.nullable(),
  ledger_id: text.nullable(),
  input_json: json,
  input_sha256: id,
  stdin_mode: z.enum(['none', 'inline', 'stream']),
  stdin: bytes(STDIN_BYTES).nullable(),
  attached: flag,
  created_by: id,
  created_at_unix_ms: int,
  queue_expires_at_unix_ms: int.nullable(),
  run_timeout_ms: int,
  cancel_requested_at_unix_ms: int.nullable(),
  cancel_requested_by: id.nullable(),
  dispatched_at_unix_ms: int.nullable(),
  started_at_unix_ms: int.nullable(),
  completed_at_unix_ms: z.null(),
  duration_ms: int.nullable(),
  exit_code: int.nullable(),
  signal: id.nullable(),
  error_code: id.nullable(),
  error_message: text.nullable(),
  error_hint: text.nullable(),
  output_json: json.nullable(),
  stdout_bytes: int,
  stderr_bytes: int,
  stdout_sha256: id.nullable(),
  stderr_sha256: id.nullable(),
  truncated: flag,
  tree_kill: id.nullable(),
  receipt_signature: bytes(SIGNATURE_BYTES).nullable(),
  parent_id: id.nullable(),
}) satisfies z.ZodType<CapabilityRequestRow>;

/** A map whose keys are the ids of what they lead to. */
const mapBy = <Shape extends z.ZodRawShape, Key extends keyof Shape & string>(
  key: Key,
  entry: z.ZodObject<Shape, z.core.$strict>,
) =>
  z
    .record(z.string(), entry)
    .refine((map) => Object.entries(map).every(([at, one]) => (one as Record<string, unknown>)[key] === at), {
      message: `an entry has another ${key} than its key`,
    });

/** What belongs to a node says so. */
const ownParts = (nodes: PersistedNodeRuntimeState['nodes']): boolean =>
  Object.values(nodes).every(({ device_id: device, certificates, session }) =>
    [...certificates, ...(session === null ? [] : [session])].every(({ device_id }) => device_id === device),
  );

export const runtimeStateSchema = z.strictObject({
  schema_version: z.literal(1),
  daemon_id: id,
  saved_at_unix_ms: int,
  active_pairing_codes: mapBy('code_id', persistedPairingCode),
  pairing_requests: mapBy('request_id', persistedPairingRequest),
  nodes: mapBy('device_id', persistedNode).refine(ownParts, 'a part of a node names another one'),
  capability_requests: mapBy('request_id', capabilityRequest),
}) satisfies z.ZodType<PersistedNodeRuntimeState>;
