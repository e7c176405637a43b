import { createHash, hkdfSync, timingSafeEqual } from 'node:crypto';

export const SAS_NONCE_BYTES = 32;
const DIGITS = 6;

/** What the node sends of its nonce before it sees the daemon's: with it nobody can choose a nonce afterwards. */
export const sasCommitment = (sasNonce: Uint8Array): Buffer =>
  createHash('sha256').update('palyra-sas-commit/v1').update(sasNonce).digest();

/** Whether a revealed nonce is the one that was committed to. */
export const opensCommitment = (sasCommit: Uint8Array, sasNonce: Uint8Array): boolean =>
  sasNonce.length === SAS_NONCE_BYTES &&
  sasCommit.length === SAS_NONCE_BYTES &&
  timingSafeEqual(sasCommitment(sasNonce), sasCommit);

/** The six digits that both ends show: equal only if both hold the same key and nonces. */
export function shortString(sharedKey: Uint8Array, sasNonce: Uint8Array, daemonNonce: Uint8Array): string {
  const salt = Buffer.concat([sasNonce, daemonNonce]);
  const bits = Buffer.from(hkdfSync('sha256', sharedKey, salt, 'palyra-sas/v1', 8));
  return String(bits.readBigUInt64BE() % BigInt(10 ** DIGITS)).padStart(DIGITS, '0');
}

/** `089780` as people compare it: `089 780`. */
export const showShortString = (digits: string): string => `${digits.slice(0, 3)} ${digits.slice(3)}`;
