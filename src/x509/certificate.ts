import { X509Certificate } from 'node:crypto';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { isP256, spkiSha256 } from './key-pair.ts';

/** Reads one certificate of at most LIMITS.certificateBytes. Throws `invalid_argument`. */
export function readCertificate(der: Uint8Array): X509Certificate {
  if (der.length > LIMITS.certificateBytes) {
    throw new PalyraError('invalid_argument', `a certificate has ${der.length} bytes, more than any of ours`);
  }
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new PalyraError('invalid_argument', 'not a certificate', { cause });
  }
}

/** What is known of a certificate, in the form the store keeps. */
export interface CertificateFacts {
  /** As Node's `fingerprint256`. */
  readonly fingerprint: string;
  readonly serial: string;
  readonly spkiSha256: string;
  readonly notBeforeUnixMs: number;
  readonly notAfterUnixMs: number;
}

export const factsOf = (certificate: X509Certificate): CertificateFacts => ({
  fingerprint: certificate.fingerprint256,
  serial: certificate.serialNumber,
  spkiSha256: spkiSha256(certificate.publicKey),
  notBeforeUnixMs: certificate.validFromDate.getTime(),
  notAfterUnixMs: certificate.validToDate.getTime(),
});

const DEVICE_SAN = /^URI:palyra:\/\/device\/([0-7][0-9A-HJKMNP-TV-Z]{25})$/;

/** Id of the device a certificate of ours names, or undefined. */
export const deviceIdOf = (certificate: X509Certificate): string | undefined =>
  DEVICE_SAN.exec(certificate.subjectAltName ?? '')?.[1];

/** When a certificate should be replaced: after two thirds of its life, which begins after the back-dating. */
export function renewAfterUnixMs(notBeforeUnixMs: number, notAfterUnixMs: number): number {
  const from = Math.min(notBeforeUnixMs + LIMITS.backdateMs, notAfterUnixMs);
  return Math.floor(from + ((notAfterUnixMs - from) * 2) / 3);
}

/** Whether a certificate may be the CA of a daemon: self-signed, a CA, ECDSA P-256. */
export const isDaemonCa = (certificate: X509Certificate): boolean =>
  certificate.ca &&
  isP256(certificate.publicKey) &&
  certificate.checkIssued(certificate) &&
  certificate.verify(certificate.publicKey);

/** PEM of DER certificates, one after the other. */
export const certificatesPem = (ders: readonly Uint8Array[]): string =>
  ders.map((der) => new X509Certificate(der).toString()).join('');
