import type { PairingRequestRow } from '../store/schema.ts';
import { grantable, readConstraints } from './constraints.ts';
import type { PairingRecord } from './types.ts';

const names = (json: string): readonly string[] => JSON.parse(json) as string[];

const requestedOf = (row: PairingRequestRow): readonly string[] => names(row.requested_json);

export const grantableOf = (row: PairingRequestRow): readonly string[] =>
  grantable(requestedOf(row), readConstraints(row.constraints_json));

export const grantedOf = (row: PairingRequestRow): readonly string[] | null =>
  row.granted_json === null ? null : names(row.granted_json);

/** A request as operators see it. */
export const pairingRecord = (row: PairingRequestRow): PairingRecord => ({
  requestId: row.request_id,
  approvalId: row.approval_id,
  deviceId: row.device_id,
  state: row.state,
  name: row.name,
  shortString: row.short_string,
  knownKey: row.known_key === 1,
  platform: row.platform,
  arch: row.arch,
  osVersion: row.os_version,
  palyraVersion: row.palyra_version,
  hostname: row.hostname,
  sourceAddress: row.source_address,
  identityFingerprint: row.spki_sha256,
  requestedCapabilities: requestedOf(row),
  grantableCapabilities: grantableOf(row),
  grantedCapabilities: grantedOf(row),
  codeId: row.code_id,
  codeKind: row.code_kind,
  codeCreatedBy: row.code_created_by,
  codeCreatedAtUnixMs: row.code_created_at_unix_ms,
  createdAtUnixMs: row.created_at_unix_ms,
  expiresAtUnixMs: row.expires_at_unix_ms,
  decidedAtUnixMs: row.decided_at_unix_ms,
  decidedBy: row.decided_by,
  reason: row.reason,
  completedAtUnixMs: row.completed_at_unix_ms,
});
