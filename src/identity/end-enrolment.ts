import type { DeviceId } from '../kernel/ids.ts';
import { revokeCertificate, revokeCertificates } from '../store/certificates.ts';
import { moveTrust, releaseKey } from '../store/devices.ts';
import type { Tx } from '../store/store.ts';

/**
 * In the transaction that withdraws or expires a pairing request whose certificate was fetched: the certificate ends,
 * and a device that never registered is gone, its key free to pair again. A device that is trusted stays so. After the
 * commit `IdentityManager.forget([fingerprint])` makes the map agree. True when the device is gone.
 */
export async function endEnrolment(
  tx: Tx,
  deviceId: DeviceId,
  fingerprint: string,
  reason: string,
  nowUnixMs: number,
): Promise<boolean> {
  await revokeCertificate(tx, fingerprint);
  if (!(await moveTrust(tx, deviceId, ['enrolling'], 'removed', reason, nowUnixMs))) return false;
  await revokeCertificates(tx, deviceId);
  await releaseKey(tx, deviceId);
  return true;
}
