import { createHash } from 'node:crypto';
import {
  bits,
  bitsOf,
  boolean,
  type Der,
  decode,
  encode,
  octets,
  oid,
  partsOf,
  sequence,
  smallInteger,
  taggedBytes,
} from './der.ts';

/** SHA-1 of the key bits (RFC 5280, 4.2.1.2, method 1): a label, not a protection. */
function keyIdentifier(spki: Buffer): Buffer {
  const keyBits = bitsOf(partsOf(decode(spki))?.[1]);
  if (keyBits === undefined) throw new Error('not a SubjectPublicKeyInfo');
  return createHash('sha1').update(keyBits).digest();
}

const extension = (id: string, value: Der, critical = false): Der =>
  sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(encode(value)));

export const basicConstraints = (ca: boolean): Der =>
  extension('2.5.29.19', ca ? sequence(boolean(true), smallInteger(0)) : sequence(), true);

// Bits of RFC 5280, 4.2.1.3: digitalSignature is 0, keyCertSign 5, cRLSign 6.
export const caKeyUsage = (): Der => extension('2.5.29.15', bits(Buffer.of(0b0000_0110), 1), true);
export const leafKeyUsage = (): Der => extension('2.5.29.15', bits(Buffer.of(0b1000_0000), 7), true);

const PURPOSE = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;
export const extendedKeyUsage = (purpose: keyof typeof PURPOSE): Der =>
  extension('2.5.29.37', sequence(oid(PURPOSE[purpose])));

export const subjectKeyIdentifier = (spki: Buffer): Der => extension('2.5.29.14', octets(keyIdentifier(spki)));
export const authorityKeyIdentifier = (issuerSpki: Buffer): Der =>
  extension('2.5.29.35', sequence(taggedBytes(0, keyIdentifier(issuerSpki))));

/** DNS names and URIs of a leaf. */
export const subjectAltNames = (dns: readonly string[], uris: readonly string[]): Der =>
  extension(
    '2.5.29.17',
    sequence(
      ...dns.map((name) => taggedBytes(2, Buffer.from(name, 'ascii'))),
      ...uris.map((uri) => taggedBytes(6, Buffer.from(uri, 'ascii'))),
    ),
  );
