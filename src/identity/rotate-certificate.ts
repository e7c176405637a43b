import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import {
  certificateByCsr,
  certificateByFingerprint,
  insertCertificate,
  pruneCertificates,
} from '../store/certificates.ts';
import { deviceById } from '../store/device-directory.ts';
import { deviceBySpki, noteGeneration } from '../store/devices.ts';
import type { CertificateRow } from '../store/schema.ts';
import type { Executor } from '../store/store.ts';
import { readCertificate } from '../x509/certificate.ts';
import { type CsrKey, readCsr } from '../x509/csr.ts';
import { verifyKeyChange } from '../x509/proof.ts';
import { issuedRow, type Signer, signDeviceCertificate } from './sign-device-certificate.ts';
import type { IdentityPorts, RotationOrder } from './types.ts';

export interface Rotation {
  readonly row: CertificateRow;
  /** Unused certificates of the device that it made room for. */
  readonly dropped: readonly string[];
}

/**
 * Issues the next certificate of a device that showed `current`. The same certificate request gives the same
 * certificate, so an answer that was lost is asked for again. Another key needs the signature of the old one.
 * Errors: csr_invalid, csr_key_unsupported, device_mismatch (another key, not proven), certificate_unknown, conflict
 * (key of another device), clock_skew, device_revoked, device_suspended, device_removed, device_not_registered.
 */
export async function rotateCertificate(
  ports: IdentityPorts,
  signer: Signer,
  deviceId: DeviceId,
  current: string,
  order: RotationOrder,
): Promise<Rotation> {
  const { store, clock, audit } = ports;
  const csr = readCsr(order.csrDer);
  await trustedGeneration(store.reader, deviceId);
  const known = await answered(store.reader, deviceId, current, csr, clock.now());
  if (known !== undefined) return { row: known, dropped: [] };
  const newKey = await checkKey(store.reader, signer, deviceId, current, csr, order.newKeyProof);
  const signed = await signDeviceCertificate(signer, csr.spki, deviceId);

  return store.write(async (tx) => {
    const generation = await trustedGeneration(tx, deviceId);
    // Two requests at once: the second one gets the certificate of the first; what was signed for it is nobody's.
    const first = await answered(tx, deviceId, current, csr, clock.now());
    if (first !== undefined) return { row: first, dropped: [] };
    if (!(await noteGeneration(tx, deviceId, generation))) throw new Error('the generation changed in a transaction');
    const row = issuedRow(signed, {
      deviceId,
      generation: generation + 1,
      csrSha256: csr.csrSha256,
      nowUnixMs: clock.now(),
    });
    const dropped = await pruneCertificates(tx, deviceId, {
      endedBefore: clock.now() - LIMITS.recoveryGraceMs,
      generation: row.generation,
      keepUnused: LIMITS.unusedCertificates - 1,
    });
    await insertCertificate(tx, row);
    await audit(tx, {
      actor: `device:${deviceId}`,
      source: 'node',
      action: 'certificate.issued',
      subject: deviceId,
      deviceId,
      outcome: 'issued',
      details: { fingerprint: row.fingerprint, generation: row.generation, reason: order.reason, new_key: newKey },
    });
    return { row, dropped };
  });
}

/** The certificate that this request got before, unless the caller holds just that one: then it wants the next. */
async function answered(
  db: Executor,
  deviceId: DeviceId,
  current: string,
  { csrSha256 }: CsrKey,
  now: number,
): Promise<CertificateRow | undefined> {
  const row = await certificateByCsr(db, deviceId, csrSha256);
  if (row === undefined || row.fingerprint === current || row.not_after_unix_ms <= now) return undefined;
  return row.state === 'issued' || row.state === 'current' ? row : undefined;
}

/** Whether the key changes. Throws unless the request is of the device's key, or of one that the old key signed. */
async function checkKey(
  db: Executor,
  { authority }: Signer,
  deviceId: DeviceId,
  current: string,
  { spki, spkiSha256 }: CsrKey,
  proof: Buffer | null,
): Promise<boolean> {
  const device = await deviceById(db, deviceId);
  if (device?.spki_sha256 === spkiSha256) return false;
  const held = await certificateByFingerprint(db, current);
  if (held?.device_id !== deviceId) {
    throw new PalyraError('certificate_unknown', 'this certificate of the device has ended');
  }
  const oldKey = readCertificate(held.certificate_der).publicKey;
  const change = { deviceId, caSha256: authority.sha256, newSpki: spki };
  if (proof === null || !verifyKeyChange(oldKey, change, proof)) {
    throw new PalyraError(
      'device_mismatch',
      'the certificate request is of another key, and the old key did not sign it',
      {
        hint: 'palyra node rotate --new-key',
      },
    );
  }
  if ((await deviceBySpki(db, spkiSha256)) !== undefined) {
    throw new PalyraError('conflict', 'the new key is that of another device', {
      hint: 'make another one: palyra node rotate --new-key',
    });
  }
  return true;
}

async function trustedGeneration(db: Executor, deviceId: DeviceId): Promise<number> {
  const device = await deviceById(db, deviceId);
  const trust = device?.trust ?? 'removed';
  switch (trust) {
    case 'trusted':
      return device?.generation ?? 0;
    case 'enrolling':
      throw new PalyraError('device_not_registered', 'this device has not registered yet');
    case 'suspended':
    case 'revoked':
    case 'removed':
      throw new PalyraError(`device_${trust}`, `this device was ${trust} by an operator of the daemon`);
  }
}
