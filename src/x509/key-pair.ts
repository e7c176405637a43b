import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { PalyraError } from '../kernel/errors.ts';

const generate = promisify(generateKeyPair);

/** A new ECDSA P-256 key. */
export async function generateP256(): Promise<KeyObject> {
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  return privateKey;
}

export const isP256 = (key: KeyObject): boolean =>
  key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';

export const privateKeyPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

/** An ECDSA P-256 key from PKCS#8 PEM. Throws `credential_damaged`; `path` is named. */
export function readPrivateKey(pem: string, path: string): KeyObject {
  const hint = `restore ${path} from a backup, or move it away to start with a new one`;
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: 'pem' });
  } catch (cause) {
    throw new PalyraError('credential_damaged', `${path} is not a private key`, { hint, cause });
  }
  if (!isP256(key)) throw new PalyraError('credential_damaged', `${path} is not an ECDSA P-256 key`, { hint });
  return key;
}

/** SubjectPublicKeyInfo of a key, private or public. */
export const spkiOf = (key: KeyObject): Buffer =>
  (key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' });

/** A device is its key: this is the name of one. Lower-case hex. */
export const spkiSha256 = (key: KeyObject): string => sha256Hex(spkiOf(key));

export const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
export const sha256Hex = (bytes: Uint8Array): string => sha256(bytes).toString('hex');

/** ECDSA over SHA-256, DER, in the thread pool. */
export function signSha256(key: KeyObject, bytes: Uint8Array): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  sign('sha256', bytes, key, (error, signature) => (error === null ? resolve(signature) : reject(error)));
  return promise;
}

/** The same at once: less than the way to the thread pool and back costs, for whoever signs often. */
export const signSha256Sync = (key: KeyObject, bytes: Uint8Array): Buffer => sign('sha256', bytes, key);
