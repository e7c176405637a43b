import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId } from '../kernel/ids.ts';
import { certificateByFingerprint, markFirstUse, revokeCertificates, supersedeOlder } from '../store/certificates.ts';
import { deviceById } from '../store/device-directory.ts';
import { changeKey } from '../store/devices.ts';
import type { CertificateRow } from '../store/schema.ts';
import { isDuplicateKey } from '../store/sqlite-failure.ts';
import type { Tx } from '../store/store.ts';
import { factsOf, readCertificate } from '../x509/certificate.ts';

/** What the first use of a certificate did to the older ones of its device. */
export interface FirstUse {
  readonly row: CertificateRow;
  readonly olderEnd: 'now' | 'soon';
}

/**
 * Makes a certificate the current one of its device, once; undefined when it was used before. The older ones end in
 * LIMITS.supersededMs, so that calls under way end well, or at once when they are of another key or `olderEnd` says so.
 */
export async function firstUse(
  tx: Tx,
  deviceId: DeviceId,
  fingerprint: string,
  nowUnixMs: number,
  olderEnd: 'now' | 'soon',
): Promise<FirstUse | undefined> {
  const row = await certificateByFingerprint(tx, fingerprint);
  if (row?.device_id !== deviceId || !(await markFirstUse(tx, fingerprint, nowUnixMs))) return undefined;
  const { spkiSha256 } = factsOf(readCertificate(row.certificate_der));
  const changed = (await deviceById(tx, deviceId))?.spki_sha256 !== spkiSha256;
  if (changed) {
    try {
      await changeKey(tx, deviceId, spkiSha256);
    } catch (cause) {
      if (!isDuplicateKey(cause)) throw cause;
      throw new PalyraError('conflict', 'the new key of this device belongs to another device by now', {
        hint: 'make another one: palyra node rotate --new-key',
        cause,
      });
    }
  }
  const end = changed ? 'now' : olderEnd;
  if (end === 'now') await revokeCertificates(tx, deviceId, row.generation);
  else await supersedeOlder(tx, deviceId, row.generation, nowUnixMs);
  return { row, olderEnd: end };
}
