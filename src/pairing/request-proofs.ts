import { createPublicKey, type KeyObject } from 'node:crypto';
import { PalyraError } from '../kernel/errors.ts';
import type { PairingRequestRow } from '../store/schema.ts';
import { readCsr } from '../x509/csr.ts';
import { type ProvenCall, verifyProof } from '../x509/proof.ts';
import type { Challenges } from './challenges.ts';
import type { RequestProof } from './types.ts';

const NONE = Buffer.alloc(0);
/** Nobody's key (the generator of P-256): an unknown request costs what a known one does. */
const NOBODY = Buffer.from(
  '3059301306072a8648ce3d020106082a8648ce3d03010703420004' +
    '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296' +
    '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
  'hex',
);

/**
 * Whether a caller holds the key of a pairing request. An unknown request, a foreign challenge and a wrong key are one
 * and the same failure: who has no key learns nothing about requests.
 */
export class RequestProofs {
  readonly #challenges: Challenges;
  readonly #caSha256: () => Buffer;

  constructor(challenges: Challenges, caSha256: () => Buffer) {
    this.#challenges = challenges;
    this.#caSha256 = caSha256;
  }

  /** The request itself, proven. Errors: pairing_proof_invalid. */
  check(call: ProvenCall, row: PairingRequestRow | undefined, proof: RequestProof): PairingRequestRow {
    const { requestId, challenge, signature } = proof;
    const fresh = this.#challenges.accepts(challenge, requestId);
    const subject = { call, subject: requestId, challenge, caSha256: this.#caSha256(), csrSha256: NONE };
    const signed = verifyProof(keyOf(row), subject, signature);
    if (row === undefined || !fresh || !signed) {
      throw new PalyraError('pairing_proof_invalid', 'this is not the proof of a pairing request of this daemon', {
        hint: 'pair again with a new code: `palyra node pair <pin>`',
      });
    }
    return row;
  }
}

const keyOf = (row: PairingRequestRow | undefined): KeyObject =>
  row === undefined ? createPublicKey({ key: NOBODY, format: 'der', type: 'spki' }) : readCsr(row.csr_der).publicKey;
