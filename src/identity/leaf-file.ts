import { type KeyObject, X509Certificate } from 'node:crypto';
import { PalyraError } from '../kernel/errors.ts';
import { readPrivateFile, writeFileDurable } from '../kernel/files.ts';
import { LIMITS } from '../kernel/limits.ts';
import { privateKeyPem, readPrivateKey, spkiOf } from '../x509/key-pair.ts';

/** The daemon's own key and certificate. */
export interface Leaf {
  readonly key: KeyObject;
  readonly certificate: X509Certificate;
}

const BLOCK = (name: string): RegExp => new RegExp(`-----BEGIN ${name}-----[A-Za-z0-9+/=\\s]+-----END ${name}-----`);

/** One file for both, so that a renewal replaces both in one step. */
export const writeLeaf = (path: string, { key, certificate }: Leaf): Promise<void> =>
  writeFileDurable(path, `${privateKeyPem(key)}${certificate.toString()}`);

/** Undefined when there is none. Errors: credential_unsafe, credential_damaged. */
export function readLeaf(path: string): Leaf | undefined {
  const pem = readPrivateFile(path, 2 * LIMITS.certificateBytes);
  if (pem === undefined) return undefined;
  const key = readPrivateKey(BLOCK('PRIVATE KEY').exec(pem)?.[0] ?? '', path);
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(BLOCK('CERTIFICATE').exec(pem)?.[0] ?? '');
  } catch (cause) {
    throw new PalyraError('credential_damaged', `${path} holds no certificate`, { cause });
  }
  if (!spkiOf(certificate.publicKey).equals(spkiOf(key))) {
    throw new PalyraError('credential_damaged', `the certificate in ${path} is not that of its key`);
  }
  return { key, certificate };
}
