import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { PalyraError } from '../kernel/errors.ts';
import { lengthPrefixed } from '../kernel/length-prefixed.ts';

// SPAKE2+ (RFC 9383), suite P256-SHA256-HKDF-SHA256-HMAC-SHA256. P-256 has cofactor 1, so h drops out everywhere.

type Point = InstanceType<typeof p256.Point>;

const SHARE_BYTES = 65;
const CONFIRM_BYTES = 32;
const SCALAR_BYTES = 32;

// RFC 9383, section 4: nobody knows their discrete logarithms.
const M =
  '04886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f' +
  '5ff355163e43ce224e0b0e65ff02ac8e5c7be09419c785e0ca547d55a12e2d20';
const N =
  '04d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49' +
  '07d60aa6bfade45008a636337f5168c64d9bd36034808cd564490b1e656edbe7';

/** What both sides must agree on beside the password. */
export interface PakeNames {
  readonly context: Uint8Array;
  readonly idProver: string;
  readonly idVerifier: string;
}

/** What the verifier keeps in place of the password: enough to check it, not to use it. */
export interface PakeVerifier {
  readonly w0: Uint8Array;
  /** L = w1*P, uncompressed. */
  readonly l: Uint8Array;
}

/** The prover's two scalars, 32 bytes each. */
export interface PakeScalars {
  readonly w0: Uint8Array;
  readonly w1: Uint8Array;
}

interface Keys {
  readonly confirmP: Buffer;
  readonly confirmV: Buffer;
  readonly sharedKey: Buffer;
}

const point = (bytes: Point): Buffer => Buffer.from(bytes.toBytes(false));

/** A point from the other side; refuses everything but a 65-byte uncompressed point of the curve. */
function readShare(share: Uint8Array): Point {
  if (share.length !== SHARE_BYTES || share[0] !== 0x04) {
    throw new PalyraError('invalid_argument', 'the key share is not an uncompressed point of P-256');
  }
  try {
    const read = p256.Point.fromBytes(share);
    read.assertValidity();
    return read;
  } catch (cause) {
    throw new PalyraError('invalid_argument', 'the key share is not a point of P-256', { cause });
  }
}

/** share - w0*blind; the identity would make the shared point known to everyone. */
function unblind(share: Uint8Array, blind: string, w0: bigint): Point {
  const open = readShare(share).subtract(p256.Point.fromHex(blind).multiply(w0));
  if (open.is0()) throw new PalyraError('invalid_argument', 'the key share is degenerate');
  return open;
}

function scalar(bytes: Uint8Array): bigint {
  const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  if (bytes.length !== SCALAR_BYTES || value === 0n || value >= p256.Point.Fn.ORDER) {
    throw new RangeError('not a scalar of P-256');
  }
  return value;
}

/** A uniformly random scalar in [1, n), by rejection. */
export function randomScalar(): Buffer {
  for (;;) {
    const bytes = randomBytes(SCALAR_BYTES);
    const value = BigInt(`0x${bytes.toString('hex')}`);
    if (value !== 0n && value < p256.Point.Fn.ORDER) return bytes;
  }
}

/** 40 bytes of the password hash as a scalar: 64 bits more than the order, so the bias is below 2^-64 (RFC 9383, 3.2). */
export function scalarFromWide(wide: Uint8Array): Buffer {
  const value = BigInt(`0x${Buffer.from(wide).toString('hex')}`) % p256.Point.Fn.ORDER;
  if (value === 0n) throw new RangeError('the password hashes to zero');
  return Buffer.from(value.toString(16).padStart(SCALAR_BYTES * 2, '0'), 'hex');
}

/** L for a prover's w1. */
export const verifierPoint = (w1: Uint8Array): Buffer => point(p256.Point.BASE.multiply(scalar(w1)));

/** The transcript as RFC 9383, 3.3 has it. */
function transcript(
  names: PakeNames,
  shareP: Uint8Array,
  shareV: Uint8Array,
  z: Point,
  v: Point,
  w0: Uint8Array,
): Buffer {
  return lengthPrefixed(
    names.context,
    names.idProver,
    names.idVerifier,
    Buffer.from(M, 'hex'),
    Buffer.from(N, 'hex'),
    shareP,
    shareV,
    point(z),
    point(v),
    w0,
  );
}

/** Key schedule of RFC 9383, 3.4. */
function schedule(tt: Buffer, shareP: Uint8Array, shareV: Uint8Array): Keys {
  const main = createHash('sha256').update(tt).digest();
  const confirmation = Buffer.from(hkdfSync('sha256', main, '', 'ConfirmationKeys', 64));
  return {
    confirmP: createHmac('sha256', confirmation.subarray(0, 32)).update(shareV).digest(),
    confirmV: createHmac('sha256', confirmation.subarray(32)).update(shareP).digest(),
    sharedKey: Buffer.from(hkdfSync('sha256', main, '', 'SharedKey', 32)),
  };
}

export interface ProverShare {
  readonly x: Buffer;
  readonly shareP: Buffer;
}

/** The prover's first message. `x` is fresh for each run; only tests give one. */
export function proverShare(w0: Uint8Array, x: Buffer = randomScalar()): ProverShare {
  const blind = p256.Point.fromHex(M).multiply(scalar(w0));
  return { x, shareP: point(p256.Point.BASE.multiply(scalar(x)).add(blind)) };
}

/**
 * The verifier's whole part: its share, its confirmation, and the confirmation to expect from the prover.
 * Throws `invalid_argument` for a share that is no good. About 15 ms of plain JavaScript: call it in a worker.
 */
export function verifierRespond(
  names: PakeNames,
  { w0, l }: PakeVerifier,
  shareP: Uint8Array,
  y: Uint8Array = randomScalar(),
): Keys & { readonly shareV: Buffer } {
  const open = unblind(shareP, M, scalar(w0));
  const secret = scalar(y);
  const shareV = point(p256.Point.BASE.multiply(secret).add(p256.Point.fromHex(N).multiply(scalar(w0))));
  const z = open.multiply(secret);
  const v = readShare(l).multiply(secret);
  return { shareV, ...schedule(transcript(names, shareP, shareV, z, v, w0), shareP, shareV) };
}

/**
 * The prover's end. Throws `pairing_code_invalid` when the other side did not know the password or saw another context
 * (another CA, another CSR): the caller must stop and not retry, each retry is a guess for a man in the middle.
 */
export function proverFinish(
  names: PakeNames,
  { w0, w1 }: PakeScalars,
  { x, shareP }: ProverShare,
  shareV: Uint8Array,
  confirmV: Uint8Array,
): { readonly confirmP: Buffer; readonly sharedKey: Buffer } {
  const keys = finishKeys(names, { w0, w1 }, { x, shareP }, shareV);
  if (confirmV.length !== CONFIRM_BYTES || !timingSafeEqual(confirmV, keys.confirmV)) throw notProven();
  return { confirmP: keys.confirmP, sharedKey: keys.sharedKey };
}

function finishKeys(names: PakeNames, { w0, w1 }: PakeScalars, { x, shareP }: ProverShare, shareV: Uint8Array): Keys {
  let open: Point;
  try {
    open = unblind(shareV, N, scalar(w0));
  } catch (cause) {
    if (cause instanceof PalyraError) throw notProven(cause);
    throw cause;
  }
  const z = open.multiply(scalar(x));
  const v = open.multiply(scalar(w1));
  return schedule(transcript(names, shareP, shareV, z, v, w0), shareP, shareV);
}

const notProven = (cause?: unknown): PalyraError =>
  new PalyraError('pairing_code_invalid', 'wrong or used code, or this is not the daemon that made it', {
    hint: 'check the code and the address, then ask for a new code: `palyra pairing code` on the daemon',
    cause,
  });

/** Whether the prover confirmed the same key; in constant time. */
export const confirms = (expected: Uint8Array, given: Uint8Array): boolean =>
  given.length === expected.length && timingSafeEqual(expected, given);
