import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId } from '../kernel/ids.ts';
import { certificateByFingerprint } from '../store/certificates.ts';
import { deviceById } from '../store/device-directory.ts';
import { moveTrust, notePaired } from '../store/devices.ts';
import type { Tx } from '../store/store.ts';
import { type FirstUse, firstUse } from './first-use.ts';
import type { IdentityOptions } from './types.ts';

export interface Enrolment {
  /** `enrolling` became `trusted` just now. */
  readonly enrolled: boolean;
  readonly used: FirstUse | undefined;
}

/**
 * A device registered with this certificate: it is trusted from now on, and what it had before ends. In the same
 * transaction the pairing room closes its request. Once more changes nothing.
 * Errors: device_removed, device_revoked, device_suspended, certificate_unknown.
 */
export async function completeEnrolment(
  tx: Tx,
  { audit, onEnrolled }: Pick<IdentityOptions, 'audit' | 'onEnrolled'>,
  deviceId: DeviceId,
  fingerprint: string,
  nowUnixMs: number,
): Promise<Enrolment> {
  const device = await deviceById(tx, deviceId);
  const trust = device?.trust ?? 'removed';
  if (trust === 'removed' || trust === 'revoked' || trust === 'suspended') {
    throw new PalyraError(`device_${trust}`, `this device was ${trust} by an operator of the daemon`);
  }
  const row = await certificateByFingerprint(tx, fingerprint);
  if (row?.device_id !== deviceId || row.state === 'revoked') {
    throw new PalyraError('certificate_unknown', 'this certificate of the device has ended');
  }
  const enrolled = await moveTrust(tx, deviceId, ['enrolling'], 'trusted', null, nowUnixMs);
  const used = await firstUse(tx, deviceId, fingerprint, nowUnixMs, enrolled ? 'now' : 'soon');
  if (!enrolled && used === undefined) return { enrolled, used };
  if (enrolled) await notePaired(tx, deviceId, nowUnixMs);
  await onEnrolled?.(tx, deviceId, nowUnixMs, fingerprint);
  if (enrolled) {
    await audit(tx, {
      actor: `device:${deviceId}`,
      source: 'node',
      action: 'device.enrolled',
      subject: deviceId,
      deviceId,
      outcome: 'trusted',
      details: { fingerprint, generation: row.generation },
    });
  }
  return { enrolled, used };
}
