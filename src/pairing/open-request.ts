import type { DeviceId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import { createApproval } from '../store/approvals.ts';
import { deviceBySpki } from '../store/devices.ts';
import { consumePairingCode, livePairingCode } from '../store/pairing-codes.ts';
import { insertPairingRequest, openPairingRequestsByKey } from '../store/pairing-requests.ts';
import type { PairingCodeRow, PairingRequestRow } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';
import { grantable, readConstraints } from './constraints.ts';
import { expireRequest } from './end-request.ts';
import type { Session } from './sessions.ts';
import type { DeviceClaims, PairingPorts } from './types.ts';

/** What a confirmed handshake brings. */
export interface RequestFacts {
  readonly session: Session;
  readonly codeId: string;
  readonly claims: DeviceClaims;
  readonly sourceAddress: string;
  readonly shortString: string;
  readonly confirmPSha256: string;
  /** Fresh ones; `deviceId` is for a key that is not enrolled. */
  readonly ids: { readonly requestId: string; readonly approvalId: string; readonly deviceId: string };
  readonly now: number;
  readonly requestMs: number;
}

export interface Refusal {
  readonly refused: 'code' | 'revoked' | 'suspended';
}

export interface OpenedRequest {
  readonly row: PairingRequestRow;
  /** Older requests of the same machine that this one replaced. */
  readonly superseded: readonly string[];
}

/** In one transaction: the code is consumed, and request and approval are there. A refusal changes nothing. */
export async function openRequest(
  tx: Tx,
  { audit }: Pick<PairingPorts, 'audit'>,
  facts: RequestFacts,
): Promise<OpenedRequest | Refusal> {
  const { session, codeId, now, ids } = facts;
  const code = await livePairingCode(tx, codeId, now);
  if (code === undefined) return { refused: 'code' };
  const device = await deviceBySpki(tx, session.csr.spkiSha256);
  if (device?.trust === 'revoked' || device?.trust === 'suspended') return { refused: device.trust };
  if (!(await consumePairingCode(tx, codeId, now))) return { refused: 'code' };
  const superseded: string[] = [];
  for (const older of await openPairingRequestsByKey(tx, session.csr.spkiSha256)) {
    // An approved one may have a certificate: whether this caller has the key is known only when it fetches.
    if (older.state !== 'pending_approval') continue;
    if (await expireRequest(tx, audit, older, 'the machine asked again', now)) superseded.push(older.request_id);
  }
  const known = device?.trust === 'trusted';
  const row = rowOf(facts, code, known ? device.device_id : (ids.deviceId as DeviceId), known);
  await insertPairingRequest(tx, row);
  await createApproval(tx, {
    approvalId: row.approval_id,
    subjectType: 'pairing',
    subjectId: row.request_id,
    requestedBy: `device:${row.device_id}`,
    promptJson: promptOf(row),
    createdAtUnixMs: now,
    expiresAtUnixMs: row.expires_at_unix_ms,
    approved: row.state === 'approved' ? row : undefined,
  });
  const entry = { source: row.source_address, subject: row.request_id, deviceId: row.device_id };
  await audit(tx, {
    ...entry,
    actor: `device:${row.device_id}`,
    action: 'pairing.requested',
    outcome: row.state,
    details: { code_id: codeId, name: row.name, spki_sha256: row.spki_sha256, known_key: known },
  });
  if (row.state === 'approved') {
    await audit(tx, {
      ...entry,
      actor: code.created_by,
      action: 'pairing.approved',
      outcome: 'approved',
      details: { code_id: codeId, auto_approve: true, granted: JSON.parse(row.granted_json ?? '[]') as unknown },
    });
  }
  return { row, superseded };
}

function rowOf(facts: RequestFacts, code: PairingCodeRow, deviceId: DeviceId, known: boolean): PairingRequestRow {
  const { session, claims, ids, now } = facts;
  const constraints = readConstraints(code.constraints_json);
  const auto = code.kind === 'token' && constraints.autoApprove === true;
  return {
    request_id: ids.requestId,
    session_id: session.id,
    code_id: code.code_id,
    code_kind: code.kind,
    code_created_by: code.created_by,
    code_created_at_unix_ms: code.created_at_unix_ms,
    approval_id: ids.approvalId,
    device_id: deviceId,
    state: auto ? 'approved' : 'pending_approval',
    known_key: known ? 1 : 0,
    name: constraints.name ?? claims.name,
    platform: claims.platform,
    arch: claims.arch,
    os_version: claims.osVersion,
    palyra_version: claims.palyraVersion,
    hostname: claims.hostname,
    source_address: facts.sourceAddress,
    short_string: facts.shortString,
    csr_der: session.csrDer,
    spki_sha256: session.csr.spkiSha256,
    confirm_p_sha256: facts.confirmPSha256,
    requested_json: JSON.stringify(claims.capabilities),
    granted_json: auto ? JSON.stringify(grantable(claims.capabilities, constraints)) : null,
    constraints_json: code.constraints_json,
    certificate_fingerprint: null,
    created_at_unix_ms: now,
    expires_at_unix_ms: now + (auto ? LIMITS.pairingApprovedMs : facts.requestMs),
    decided_at_unix_ms: auto ? now : null,
    decided_by: auto ? code.created_by : null,
    reason: auto ? 'the token approves by itself' : null,
    completed_at_unix_ms: null,
  };
}

const promptOf = (row: PairingRequestRow): string =>
  JSON.stringify({
    name: row.name,
    platform: row.platform,
    arch: row.arch,
    source_address: row.source_address,
    short_string: row.short_string,
    spki_sha256: row.spki_sha256,
    known_key: row.known_key === 1,
    requested: JSON.parse(row.requested_json) as unknown,
  });
