import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PalyraError } from '../kernel/errors.ts';
import { ensurePrivateDir, readPrivateFile, writeFileDurable } from '../kernel/files.ts';
import { LIMITS } from '../kernel/limits.ts';
import { isDaemonCa } from '../x509/certificate.ts';
import { type Issuer, issueCa } from '../x509/issue.ts';
import { generateP256, privateKeyPem, readPrivateKey, sha256, spkiOf } from '../x509/key-pair.ts';

/** The CA of a daemon. */
export interface Authority extends Issuer {
  readonly der: Buffer;
  /** Of the DER: what pairing binds. */
  readonly sha256: Buffer;
}

export interface CaOptions {
  /** `<daemon home>/ca`. */
  readonly folder: string;
  readonly now: () => number;
  /** The daemon's leaf. When it exists, something was signed by a CA before, and no other one may take its place. */
  readonly leafPath: string;
}

/**
 * The CA as it lies in its folder; made when there is none. The key is on disk before the certificate, so a start that
 * broke off between the two is continued by the next one. What is there is never overwritten.
 * Errors: credential_unsafe (others could read it), credential_damaged, disk_full, no_permission.
 */
export async function openCa({ folder, now, leafPath }: CaOptions): Promise<Authority> {
  const keyPath = join(folder, 'ca-key.pem');
  const certificatePath = join(folder, 'ca.pem');
  ensurePrivateDir(folder);
  const keyPem = readPrivateFile(keyPath, LIMITS.certificateBytes);
  const certificatePem = readPrivateFile(certificatePath, LIMITS.certificateBytes);
  const used = existsSync(leafPath);
  const restore = `restore ${folder} from a backup; to start over, with every device to pair anew, move it and ${leafPath} away`;

  if (keyPem === undefined && (certificatePem !== undefined || used)) {
    throw new PalyraError('credential_damaged', `the CA key ${keyPath} is missing`, { hint: restore });
  }
  if (certificatePem === undefined && used) {
    throw new PalyraError('credential_damaged', `the CA certificate ${certificatePath} is missing`, { hint: restore });
  }

  const key = keyPem === undefined ? await generateP256() : readPrivateKey(keyPem, keyPath);
  if (keyPem === undefined) await writeFileDurable(keyPath, privateKeyPem(key));
  if (certificatePem === undefined) {
    const der = await issueCa(key, { nowUnixMs: now(), lifetimeMs: LIMITS.caLifetimeMs });
    const certificate = new X509Certificate(der);
    await writeFileDurable(certificatePath, certificate.toString());
    return authority(key, certificate);
  }

  const certificate = readCa(certificatePem, certificatePath, restore);
  if (!spkiOf(certificate.publicKey).equals(spkiOf(key))) {
    throw new PalyraError('credential_damaged', `${certificatePath} is not the certificate of the key ${keyPath}`, {
      hint: restore,
    });
  }
  return authority(key, certificate);
}

function readCa(pem: string, path: string, hint: string): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch (cause) {
    throw new PalyraError('credential_damaged', `${path} is not a certificate`, { hint, cause });
  }
  if (!isDaemonCa(certificate)) throw new PalyraError('credential_damaged', `${path} is not a CA of Palyra`, { hint });
  return certificate;
}

const authority = (key: Issuer['key'], certificate: X509Certificate): Authority => ({
  key,
  certificate,
  der: certificate.raw,
  sha256: sha256(certificate.raw),
});
