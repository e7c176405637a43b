import { scrypt } from 'node:crypto';
import { lengthPrefixed } from '../kernel/length-prefixed.ts';
import { type PakeScalars, type PakeVerifier, scalarFromWide, verifierPoint } from './spake2plus.ts';

export const PROVER_ID = 'palyra-node';
export const VERIFIER_ID = 'palyra-daemon';

/** scrypt cost of version 1. A node accepts exactly these, so that a false daemon can't ask for a cheap hash. */
export const KDF = { logN: 15, r: 8, p: 1 } as const;
export const SALT_BYTES = 16;

// N=2^15, r=8 needs 32 MiB and a little; Node's default limit of 32 MiB is just too small.
const MAX_MEMORY_BYTES = 64 * 1024 * 1024;
const WIDE_BYTES = 40;

/** The prover's scalars for a code. Runs in the thread pool, 0.1-0.2 s and 32 MiB. */
export function stretch(code: string, salt: Uint8Array): Promise<PakeScalars> {
  const { promise, resolve, reject } = Promise.withResolvers<PakeScalars>();
  scrypt(
    lengthPrefixed(code, PROVER_ID, VERIFIER_ID),
    salt,
    2 * WIDE_BYTES,
    { N: 2 ** KDF.logN, r: KDF.r, p: KDF.p, maxmem: MAX_MEMORY_BYTES },
    (error, wide) => {
      if (error !== null) {
        reject(error);
        return;
      }
      resolve({ w0: scalarFromWide(wide.subarray(0, WIDE_BYTES)), w1: scalarFromWide(wide.subarray(WIDE_BYTES)) });
    },
  );
  return promise;
}

/** What the daemon keeps of a code it minted. */
export async function makeVerifier(code: string, salt: Uint8Array): Promise<PakeVerifier> {
  const { w0, w1 } = await stretch(code, salt);
  return { w0, l: verifierPoint(w1) };
}
