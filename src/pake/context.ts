import { lengthPrefixed } from '../kernel/length-prefixed.ts';
import type { PakeNames } from './spake2plus.ts';
import { KDF, PROVER_ID, VERIFIER_ID } from './stretch.ts';

export type CodeKind = 'pin' | 'token';

const KIND_BYTE: Readonly<Record<CodeKind, number>> = { pin: 1, token: 2 };

/** Everything the key exchange binds. Each side puts in what it saw itself; one difference and nothing is confirmed. */
export interface PairingContext {
  readonly kind: CodeKind;
  readonly selector: string;
  readonly sessionId: string;
  readonly salt: Uint8Array;
  /** SHA-256 of the CA certificate: the node's of its own TLS connection. This defeats a man in the middle. */
  readonly caSha256: Uint8Array;
  /** SHA-256 of the certificate request: binds the device key. */
  readonly csrSha256: Uint8Array;
  readonly helloHash: Uint8Array;
  readonly sasCommit: Uint8Array;
  readonly daemonNonce: Uint8Array;
}

/** The context field of the transcript. */
export const contextBytes = (context: PairingContext): Buffer =>
  lengthPrefixed(
    'palyra-pair/v1',
    Buffer.of(KIND_BYTE[context.kind]),
    context.selector,
    context.sessionId,
    context.salt,
    Buffer.of(KDF.logN, KDF.r, KDF.p),
    context.caSha256,
    context.csrSha256,
    context.helloHash,
    context.sasCommit,
    context.daemonNonce,
  );

/** The names of a Palyra run of SPAKE2+. */
export const pairingNames = (context: PairingContext): PakeNames => ({
  context: contextBytes(context),
  idProver: PROVER_ID,
  idVerifier: VERIFIER_ID,
});
