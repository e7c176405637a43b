import type { KeyObject } from 'node:crypto';
import { commonName } from '../../src/x509/common-name.ts';
import { ECDSA_WITH_SHA256 } from '../../src/x509/csr.ts';
import { bits, type Der, decode, encode, oid, sequence, smallInteger, tagged } from '../../src/x509/der.ts';
import { signSha256, spkiOf } from '../../src/x509/key-pair.ts';

export interface CsrParts {
  /** Signs; its public key is in the request unless `spki` says otherwise. */
  readonly key: KeyObject;
  readonly spki?: Buffer;
  readonly subject?: Der;
  readonly attributes?: readonly Der[];
  readonly algorithm?: Der;
}

/** A certificate request as an attacker would write it. */
export async function csrOf({ key, spki, subject, attributes = [], algorithm }: CsrParts): Promise<Buffer> {
  const info = sequence(
    smallInteger(0),
    subject ?? commonName('palyra-node'),
    decode(spki ?? spkiOf(key)),
    tagged(0, ...attributes),
  );
  const signature = await signSha256(key, encode(info));
  return encode(sequence(info, algorithm ?? sequence(oid(ECDSA_WITH_SHA256)), bits(signature)));
}
