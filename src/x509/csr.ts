import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { commonName } from './common-name.ts';
import { bits, bitsOf, type Der, decode, encode, oid, partsOf, sequence, smallInteger, tagged } from './der.ts';
import { isP256, sha256Hex, signSha256, spkiOf } from './key-pair.ts';

export const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
/**
 * How the SPKI of a P-256 key begins when its curve is named and its point uncompressed (04). OpenSSL also takes the
 * other forms of the same key and gives them back as they came; one key must have one hash.
 */
const P256_SPKI_HEAD = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const P256_SPKI_BYTES = P256_SPKI_HEAD.length + 64;

/** All that is taken from a certificate request: who asks, proven by its signature. */
export interface CsrKey {
  readonly publicKey: KeyObject;
  readonly spki: Buffer;
  readonly spkiSha256: string;
  readonly csrSha256: string;
}

/** A request for a certificate of this key. It says nothing but the key: all else is the daemon's to fill in. */
export async function writeCsr(key: KeyObject): Promise<Buffer> {
  const info = sequence(smallInteger(0), commonName('palyra-node'), decode(spkiOf(key)), tagged(0));
  const signature = await signSha256(key, encode(info));
  return encode(sequence(info, sequence(oid(ECDSA_WITH_SHA256)), bits(signature)));
}

/**
 * Reads a certificate request of somebody unknown. Strict DER of at most LIMITS.csrBytes, an ECDSA P-256 key that
 * OpenSSL accepts, signed by that key. Throws `csr_invalid` or `csr_key_unsupported`.
 */
export function readCsr(der: Buffer): CsrKey {
  if (der.length > LIMITS.csrBytes) {
    throw unsupported(`the certificate request has ${der.length} bytes; one of a P-256 key has about 300`);
  }
  const { info, spki, algorithm, signature } = structureOf(der);
  const publicKey = readKey(spki);
  if (!encode(algorithm).equals(encode(sequence(oid(ECDSA_WITH_SHA256))))) {
    throw unsupported('the certificate request is not signed with ECDSA and SHA-256');
  }
  if (!verify('sha256', encode(info), publicKey, signature)) {
    throw invalid('the certificate request is not signed by its own key');
  }
  return { publicKey, spki, spkiSha256: sha256Hex(spki), csrSha256: sha256Hex(der) };
}

interface CsrStructure {
  readonly info: Der;
  readonly spki: Buffer;
  readonly algorithm: Der;
  readonly signature: Buffer;
}

function structureOf(der: Buffer): CsrStructure {
  let outer: Der;
  try {
    outer = decode(der);
  } catch (cause) {
    throw invalid('the certificate request is not DER', cause);
  }
  const parts = partsOf(outer);
  const [info, algorithm, signature] = parts ?? [];
  const infoParts = partsOf(info);
  const spki = infoParts?.[2];
  const signed = bitsOf(signature);
  if (
    parts?.length !== 3 ||
    infoParts?.length !== 4 ||
    info === undefined ||
    algorithm === undefined ||
    partsOf(spki) === undefined ||
    spki === undefined ||
    signed === undefined
  ) {
    throw invalid('the certificate request has another structure than PKCS #10');
  }
  // What was read must be what was sent: a second encoding of the same request would be another request to its hash.
  if (!encode(outer).equals(der)) throw invalid('the certificate request is not strict DER');
  return { info, algorithm, spki: encode(spki), signature: signed };
}

function readKey(spki: Buffer): KeyObject {
  if (spki.length !== P256_SPKI_BYTES || !spki.subarray(0, P256_SPKI_HEAD.length).equals(P256_SPKI_HEAD)) {
    throw unsupported('the key of the certificate request is not ECDSA P-256');
  }
  let key: KeyObject;
  try {
    key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch (cause) {
    throw unsupported('the public key of the certificate request is not valid', cause);
  }
  if (!isP256(key) || !spkiOf(key).equals(spki)) {
    throw unsupported('the key of the certificate request is not ECDSA P-256');
  }
  return key;
}

const invalid = (message: string, cause?: unknown): PalyraError => new PalyraError('csr_invalid', message, { cause });
const unsupported = (message: string, cause?: unknown): PalyraError =>
  new PalyraError('csr_key_unsupported', message, { hint: 'make the key with `palyra node pair`', cause });
