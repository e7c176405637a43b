import { type KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { PalyraError } from '../kernel/errors.ts';
import { ensurePrivateDir, readPrivateFile, writeFileDurable } from '../kernel/files.ts';
import { LIMITS } from '../kernel/limits.ts';
import { certificatesPem, isDaemonCa, readCertificate } from '../x509/certificate.ts';
import { generateP256, privateKeyPem, readPrivateKey, spkiOf } from '../x509/key-pair.ts';
import { CHAIN_FILE, IDENTITY_FOLDER } from './identity-files.ts';

/** A chain or bundle has a few certificates. */
const PEM_BYTES = 16 * LIMITS.certificateBytes;

function isAuthority(der: Uint8Array): boolean {
  try {
    return isDaemonCa(readCertificate(der));
  } catch {
    return false;
  }
}

/** What the machine shows and whom it believes. */
export interface DeviceIdentity {
  readonly key: KeyObject;
  readonly keyPem: string;
  readonly certificate: X509Certificate;
  /** Leaf first. */
  readonly chainPem: string;
  /** All authorities of the daemon. */
  readonly caPem: string;
}

/** `<home>/node/identity`: the device's key, its certificate and the daemon's CAs. 0600 in 0700, replaced in one step. */
export class IdentityStore {
  readonly folder: string;

  constructor(nodeHome: string) {
    this.folder = join(nodeHome, IDENTITY_FOLDER);
  }

  get keyPath(): string {
    return join(this.folder, 'device-key.pem');
  }

  get chainPath(): string {
    return join(this.folder, CHAIN_FILE);
  }

  get caPath(): string {
    return join(this.folder, 'ca-bundle.pem');
  }

  /** The key of this machine, made at the first call. Errors: credential_unsafe, credential_damaged, disk_full. */
  async deviceKey(): Promise<KeyObject> {
    ensurePrivateDir(this.folder);
    const pem = readPrivateFile(this.keyPath, PEM_BYTES);
    if (pem !== undefined) return readPrivateKey(pem, this.keyPath);
    const key = await generateP256();
    await writeFileDurable(this.keyPath, privateKeyPem(key));
    return key;
  }

  /** Puts a certificate of the present key in place; the CAs first, so that a chain is never without them. */
  async saveCertificate(chainDer: readonly Uint8Array[], bundleDer: readonly Uint8Array[]): Promise<void> {
    ensurePrivateDir(this.folder);
    await writeFileDurable(this.caPath, certificatesPem(bundleDer));
    await writeFileDurable(this.chainPath, certificatesPem(chainDer));
  }

  /**
   * Puts the authorities in place that the daemon names; false: they are the ones that are there. Errors:
   * credential_damaged (none, too many, or something that is no CA of a daemon), disk_full.
   */
  async saveBundle(ders: readonly Uint8Array[]): Promise<boolean> {
    const wrong = ders.length === 0 || ders.length > LIMITS.caBundleSize || !ders.every(isAuthority);
    if (wrong) throw this.#damaged(this.caPath, 'was to be replaced by what is no bundle of authorities');
    const pem = certificatesPem(ders);
    if (readPrivateFile(this.caPath, PEM_BYTES) === pem) return false;
    await writeFileDurable(this.caPath, pem);
    return true;
  }

  /**
   * What `saveCertificate` put there; undefined: nothing yet.
   * Errors: credential_unsafe, credential_damaged (not readable, or the certificate is of another key).
   */
  load(): DeviceIdentity | undefined {
    const chainPem = readPrivateFile(this.chainPath, PEM_BYTES);
    if (chainPem === undefined) return undefined;
    const keyPem = readPrivateFile(this.keyPath, PEM_BYTES);
    const caPem = readPrivateFile(this.caPath, PEM_BYTES);
    if (keyPem === undefined) throw this.#damaged(this.keyPath, 'is missing');
    if (caPem === undefined) throw this.#damaged(this.caPath, 'is missing');
    const key = readPrivateKey(keyPem, this.keyPath);
    const certificate = this.#certificate(chainPem, this.chainPath);
    this.#certificate(caPem, this.caPath);
    if (!spkiOf(certificate.publicKey).equals(spkiOf(key))) {
      throw this.#damaged(this.chainPath, 'is the certificate of another key');
    }
    return { key, keyPem, certificate, chainPem, caPem };
  }

  #certificate(pem: string, path: string): X509Certificate {
    try {
      return new X509Certificate(pem);
    } catch (cause) {
      throw this.#damaged(path, 'is not a certificate', cause);
    }
  }

  #damaged(path: string, what: string, cause?: unknown): PalyraError {
    return new PalyraError('credential_damaged', `${path} ${what}`, {
      hint: `restore ${this.folder} from a backup, or pair again: palyra node unpair --local`,
      cause,
    });
  }
}
