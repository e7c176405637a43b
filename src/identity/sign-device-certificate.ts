import { X509Certificate } from 'node:crypto';
import type { DeviceId } from '../kernel/ids.ts';
import type { CertificateRow } from '../store/schema.ts';
import { factsOf } from '../x509/certificate.ts';
import { issueDeviceLeaf } from '../x509/issue.ts';
import type { Authority } from './ca-files.ts';
import type { IssuingClock } from './issuing-clock.ts';
import type { SignedCertificate } from './types.ts';

export interface Signer {
  readonly authority: Authority;
  readonly issuing: IssuingClock;
  /** Lifetime of device certificates, ms. */
  readonly deviceLeafMs: number;
}

/** Signs, and nothing else: it counts only once its row is in the store and the map. Errors: clock_skew. */
export async function signDeviceCertificate(
  { authority, issuing, deviceLeafMs }: Signer,
  spki: Buffer,
  deviceId: DeviceId,
): Promise<SignedCertificate> {
  const lifetime = { nowUnixMs: issuing.now(), lifetimeMs: deviceLeafMs };
  const der = await issueDeviceLeaf(authority, spki, deviceId, lifetime);
  return { der, ...factsOf(new X509Certificate(der)) };
}

export interface CertificateOrigin {
  readonly deviceId: DeviceId;
  readonly generation: number;
  readonly csrSha256: string;
  readonly nowUnixMs: number;
}

/** The row of a certificate that nobody has used yet. */
export const issuedRow = (signed: SignedCertificate, origin: CertificateOrigin): CertificateRow => ({
  fingerprint: signed.fingerprint,
  device_id: origin.deviceId,
  serial: signed.serial,
  generation: origin.generation,
  state: 'issued',
  csr_sha256: origin.csrSha256,
  certificate_der: signed.der,
  not_before_unix_ms: signed.notBeforeUnixMs,
  not_after_unix_ms: signed.notAfterUnixMs,
  issued_at_unix_ms: origin.nowUnixMs,
  first_used_at_unix_ms: null,
  superseded_at_unix_ms: null,
});
