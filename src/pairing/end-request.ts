import { endEnrolment } from '../identity/end-enrolment.ts';
import { decideApproval } from '../store/approvals.ts';
import { movePairingRequest } from '../store/pairing-requests.ts';
import type { PairingRequestRow } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';
import type { Audit } from './types.ts';

/**
 * Ends an open request whose time is over, or that another one replaced: its approval closes, and a certificate that
 * was fetched and never used ends. False: it is not in the state it was read in. After the commit the identity room
 * must forget the certificate.
 */
export async function expireRequest(
  tx: Tx,
  audit: Audit,
  row: PairingRequestRow,
  reason: string,
  nowUnixMs: number,
): Promise<boolean> {
  if (!(await movePairingRequest(tx, row.request_id, row.state, 'expired', { reason }))) return false;
  await decideApproval(tx, row.approval_id, {
    state: 'expired',
    decidedAtUnixMs: nowUnixMs,
    decidedBy: 'system:pairing',
    reason,
  });
  await endCertificate(tx, row, reason, nowUnixMs);
  await audit(tx, {
    actor: 'system:pairing',
    source: 'local',
    action: 'pairing.expired',
    subject: row.request_id,
    deviceId: row.device_id,
    outcome: 'expired',
    details: { reason, before: row.state },
  });
  return true;
}

/** Ends what was fetched for a request that is over. */
export async function endCertificate(
  tx: Tx,
  { device_id: deviceId, certificate_fingerprint: fingerprint }: PairingRequestRow,
  reason: string,
  nowUnixMs: number,
): Promise<void> {
  if (fingerprint !== null) await endEnrolment(tx, deviceId, fingerprint, reason, nowUnixMs);
}
