// The schemas of the answers: for the API document, and for tests that hold the answers against it.
import * as z from 'zod';
import * as views from '../wire/views.ts';

const unixMs = z.int().nullable();
const cursor = z.string().nullable();
const state = z.enum(views.REQUEST_STATES);

export const nodeSchema: z.ZodType<views.NodeView> = z.strictObject({
  device_id: z.string(),
  name: z.string(),
  trust: z.enum(views.TRUSTS),
  trust_reason: z.string().nullable(),
  presence: z.enum(views.PRESENCES),
  degraded_reason: z.string().nullable(),
  platform: z.string(),
  arch: z.string(),
  os_version: z.string(),
  palyra_version: z.string(),
  hostname: z.string(),
  labels: z.record(z.string(), z.string()),
  capabilities: z.array(
    z.strictObject({
      name: z.string(),
      available: z.boolean(),
      unavailable_reason: z.string().nullable(),
      state: z.enum(['granted', 'unapproved', 'withdrawn']),
    }),
  ),
  capability_summary: z.strictObject({ total: z.int(), available: z.int(), unavailable: z.int() }),
  key_sha256: z.string(),
  created_at_unix_ms: z.int(),
  paired_at_unix_ms: unixMs,
  last_seen_at_unix_ms: unixMs,
  last_disconnected_at_unix_ms: unixMs,
  last_disconnect_reason: z.string().nullable(),
  clock_skew_ms: z.int().nullable(),
  instance: z
    .strictObject({
      session_id: z.string(),
      boot_id: z.string(),
      pid: z.int(),
      remote_address: z.string(),
      palyra_version: z.string(),
      started_at_unix_ms: z.int(),
      connected_at_unix_ms: z.int(),
    })
    .nullable(),
});
export const nodesSchema: z.ZodType<views.NodesView> = z.strictObject({
  nodes: z.array(nodeSchema),
  next_cursor: cursor,
});

export const mintedCodeSchema: z.ZodType<views.MintedCodeView> = z.strictObject({
  pin: z.string(),
  code_id: z.string(),
  expires_at_unix_ms: z.int(),
});
export const codesSchema: z.ZodType<views.PairingCodesView> = z.strictObject({
  codes: z.array(
    z.strictObject({
      code_id: z.string(),
      kind: z.enum(['pin', 'token']),
      tries_left: z.int(),
      uses_left: z.int(),
      expires_at_unix_ms: z.int(),
      created_at_unix_ms: z.int(),
      created_by: z.string(),
      name: z.string().nullable(),
      labels: z.record(z.string(), z.string()),
      capabilities: z.array(z.string()).nullable(),
    }),
  ),
  next_cursor: cursor,
});
export const pairingRequestSchema: z.ZodType<views.PairingRequestView> = z.strictObject({
  request_id: z.string(),
  approval_id: z.string(),
  device_id: z.string(),
  state: z.enum(views.PAIRING_STATES),
  name: z.string(),
  short_string: z.string(),
  known_key: z.boolean(),
  platform: z.string(),
  arch: z.string(),
  os_version: z.string(),
  palyra_version: z.string(),
  hostname: z.string(),
  source_address: z.string(),
  identity_fingerprint: z.string(),
  requested_capabilities: z.array(z.string()),
  grantable_capabilities: z.array(z.string()),
  granted_capabilities: z.array(z.string()).nullable(),
  code_id: z.string(),
  code_kind: z.enum(['pin', 'token']),
  code_created_by: z.string(),
  code_created_at_unix_ms: z.int(),
  created_at_unix_ms: z.int(),
  expires_at_unix_ms: z.int(),
  decided_at_unix_ms: unixMs,
  decided_by: z.string().nullable(),
  reason: z.string().nullable(),
  completed_at_unix_ms: unixMs,
});
export const pairingRequestsSchema: z.ZodType<views.PairingRequestsView> = z.strictObject({
  requests: z.array(pairingRequestSchema),
  next_cursor: cursor,
});

export const requestSchema: z.ZodType<views.RequestView> = z.strictObject({
  request_id: z.string(),
  device_id: z.string(),
  capability: z.string(),
  state,
  input: z.unknown(),
  stdin_mode: z.enum(['none', 'inline', 'stream']),
  created_by: z.string(),
  created_at_unix_ms: z.int(),
  queue_expires_at_unix_ms: unixMs,
  run_timeout_ms: z.int(),
  cancel_requested_at_unix_ms: unixMs,
  cancel_requested_by: z.string().nullable(),
  dispatched_at_unix_ms: unixMs,
  started_at_unix_ms: unixMs,
  completed_at_unix_ms: unixMs,
  duration_ms: z.int().nullable(),
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
  error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() }).nullable(),
  output: z.unknown(),
  stdout_bytes: z.int(),
  stderr_bytes: z.int(),
  stdout_sha256: z.string().nullable(),
  stderr_sha256: z.string().nullable(),
  truncated: z.boolean(),
  tree_kill: z.string().nullable(),
});
export const requestsSchema: z.ZodType<views.RequestsView> = z.strictObject({
  requests: z.array(requestSchema),
  next_cursor: cursor,
});
export const acceptedSchema: z.ZodType<views.AcceptedRequestView> = z.strictObject({
  request_id: z.string(),
  device_id: z.string(),
  state,
  reused: z.boolean(),
});
const keptChannel = z
  .object({ size_bytes: z.int(), truncated: z.boolean(), tail_offset_bytes: z.int() })
  .catchall(z.string());
export const keptOutputSchema = z.strictObject({ request_id: z.string(), stdout: keptChannel, stderr: keptChannel });

export const versionSchema: z.ZodType<views.VersionView> = z.strictObject({
  version: z.string(),
  api: z.literal('v1'),
  min_client_version: z.string(),
  daemon_id: z.string(),
  platform: z.string(),
  arch: z.string(),
  node_version: z.string(),
});
export const helloSchema = z.strictObject({ proof: z.string() });
export const healthSchema = z.strictObject({
  status: z.enum(['ok', 'failing']),
  checks: z.record(z.string(), z.boolean()).optional(),
});
