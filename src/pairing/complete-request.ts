import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId } from '../kernel/ids.ts';
import { approvedRequestOfCertificate, movePairingRequest } from '../store/pairing-requests.ts';
import type { Tx } from '../store/store.ts';
import type { Audit } from './types.ts';

/**
 * What the identity room runs (`onEnrolled`) in the transaction in which a device first used a certificate: the request
 * that this certificate was fetched for is completed. Another certificate's use changes nothing.
 * Errors: approval_expired.
 */
export const completeRequest =
  (audit: Audit) =>
  async (tx: Tx, deviceId: DeviceId, nowUnixMs: number, fingerprint: string): Promise<void> => {
    const row = await approvedRequestOfCertificate(tx, deviceId, fingerprint);
    if (row === undefined) return;
    // Its timer may be late.
    if (row.expires_at_unix_ms <= nowUnixMs) {
      throw new PalyraError('approval_expired', `pairing request ${row.request_id} is over`, {
        hint: 'pair again with a new code: `palyra pairing code`',
      });
    }
    if (!(await movePairingRequest(tx, row.request_id, 'approved', 'completed', { completed_at_unix_ms: nowUnixMs }))) {
      return;
    }
    await audit(tx, {
      actor: `device:${deviceId}`,
      source: row.source_address,
      action: 'pairing.completed',
      subject: row.request_id,
      deviceId,
      outcome: 'completed',
      details: { fingerprint },
    });
  };
