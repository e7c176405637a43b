import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { p256 } from '@noble/curves/nist.js';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { type PairingContext, pairingNames } from '../../../src/pake/context.ts';
import { makePin } from '../../../src/pake/pin.ts';
import { opensCommitment, sasCommitment, shortString } from '../../../src/pake/short-string.ts';
import {
  proverFinish,
  proverShare,
  scalarFromWide,
  verifierPoint,
  verifierRespond,
} from '../../../src/pake/spake2plus.ts';
import { makeVerifier, stretch } from '../../../src/pake/stretch.ts';
import { LONG, rounds } from '../../support/long.ts';

const names = { context: Buffer.from('test'), idProver: 'p', idVerifier: 'v' };
const M = '02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f';
const N = '03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49';
const big = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const scalars = (seed: string) => {
  const wide = (label: string): Buffer => createHash('sha512').update(label).update(seed).digest().subarray(0, 40);
  return { w0: scalarFromWide(wide('w0')), w1: scalarFromWide(wide('w1')) };
};
const { w0, w1 } = scalars('honest');
const verifier = { w0, l: verifierPoint(w1) };

function refused(share: Uint8Array, what: string): void {
  assert.throws(
    () => verifierRespond(names, verifier, share),
    (error: unknown) => error instanceof PalyraError && error.code === 'invalid_argument',
    what,
  );
}

test('row 9: shares that are no uncompressed point, off the curve or degenerate are refused', () => {
  const good = proverShare(w0).shareP;
  refused(Buffer.of(0), 'identity');
  refused(Buffer.alloc(65), 'identity, padded');
  refused(Buffer.concat([Buffer.of(4), Buffer.alloc(64)]), 'zero coordinates');
  refused(Buffer.alloc(0), 'nothing');
  refused(good.subarray(0, 64), '64 bytes');
  refused(Buffer.concat([good, Buffer.of(0)]), '66 bytes');
  refused(Buffer.from(p256.Point.fromBytes(good).toBytes(true)), 'compressed');
  refused(Buffer.concat([Buffer.of(2), good.subarray(1)]), 'a compressed mark on 65 bytes');
  refused(Buffer.concat([Buffer.of(6), good.subarray(1)]), 'hybrid form');
  const off = Buffer.from(good);
  off[64] = (off[64] ?? 0) ^ 1;
  refused(off, 'off the curve');
  refused(Buffer.concat([Buffer.of(4), Buffer.alloc(64, 0xff)]), 'coordinates above the field');
  refused(Buffer.from(p256.Point.fromHex(M).multiply(big(w0)).toBytes(false)), 'X = w0*M');
});

test('row 9: the node refuses the same from a daemon', () => {
  const share = proverShare(w0);
  const degenerate = Buffer.from(p256.Point.fromHex(N).multiply(big(w0)).toBytes(false));
  for (const shareV of [degenerate, Buffer.alloc(65), Buffer.alloc(0), share.shareP.subarray(0, 64)]) {
    assert.throws(
      () => proverFinish(names, { w0, w1 }, share, shareV, Buffer.alloc(32)),
      (error: unknown) => error instanceof PalyraError && error.code === 'pairing_code_invalid',
    );
  }
});

test('row 9: fuzzed shares never crash the daemon and never confirm anything', () => {
  const good = proverShare(w0).shareP;
  let answered = 0;
  const count = rounds(3_000, 100_000);
  for (let round = 0; round < count; round += 1) {
    const share = round % 2 === 0 ? randomBytes(65) : Buffer.from(good);
    if (round % 2 === 0) share[0] = 4;
    else {
      const at = round % 65;
      share[at] = (share[at] ?? 0) ^ (1 << (round % 8));
    }
    try {
      verifierRespond(names, verifier, share);
      answered += 1;
    } catch (error) {
      assert.ok(error instanceof PalyraError && error.code === 'invalid_argument', String(error));
    }
  }
  // Random coordinates are on the curve with probability 2^-256.
  assert.equal(answered, 0);
});

test('row 3: a recorded exchange excludes no PIN, and holds none', { timeout: LONG ? 600_000 : 60_000 }, async () => {
  const space = 1_000;
  // The algebra is the same for any scalars; stretching for real takes 0.1 s a PIN and is left to the long form.
  const derive = async (pin: string): Promise<{ w0: Uint8Array; w1: Uint8Array }> =>
    LONG ? stretch(pin, Buffer.alloc(16)) : scalars(pin);
  const secret = await derive('471');
  const share = proverShare(secret.w0);
  const answer = verifierRespond(names, { w0: secret.w0, l: verifierPoint(secret.w1) }, share.shareP);
  const recorded = Buffer.concat([share.shareP, answer.shareV, answer.confirmV, answer.confirmP]);
  for (let pin = 0; pin < space; pin += 1) {
    const guess = await derive(String(pin));
    const openP = p256.Point.fromBytes(share.shareP).subtract(p256.Point.fromHex(M).multiplyUnsafe(big(guess.w0)));
    const openV = p256.Point.fromBytes(answer.shareV).subtract(p256.Point.fromHex(N).multiplyUnsafe(big(guess.w0)));
    // Some x and y explain each guess: nothing without them tells the right one apart.
    assert.ok(!openP.is0() && !openV.is0());
    openP.assertValidity();
    openV.assertValidity();
  }
  for (const [what, bytes] of Object.entries({
    w0: secret.w0,
    w1: secret.w1,
    key: answer.sharedKey,
    pin: Buffer.from('471'),
  })) {
    assert.equal(recorded.includes(Buffer.from(bytes)), false, what);
  }
});

test('row 3: what the daemon keeps of a code is not the code', async () => {
  const { code } = makePin('47');
  const kept = await makeVerifier(code, randomBytes(16));
  const all = Buffer.concat([kept.w0, kept.l]);
  assert.equal(all.includes(code), false);
  assert.equal(all.includes(createHash('sha256').update(code).digest()), false);
});

const pairing = (sasCommit: Buffer, daemonNonce: Buffer): PairingContext => ({
  kind: 'pin',
  selector: '47',
  sessionId: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  salt: Buffer.alloc(16),
  caSha256: Buffer.alloc(32),
  csrSha256: Buffer.alloc(32),
  helloHash: Buffer.alloc(32),
  sasCommit,
  daemonNonce,
});

test('row 12: a nonce changed after the commitment is refused', () => {
  const nonce = randomBytes(32);
  assert.equal(opensCommitment(sasCommitment(nonce), randomBytes(32)), false);
  // And the commitment is part of the context, so it cannot be replaced either.
  const share = proverShare(w0);
  const committed = pairing(sasCommitment(nonce), Buffer.alloc(32));
  const replaced = pairing(sasCommitment(randomBytes(32)), Buffer.alloc(32));
  const answer = verifierRespond(pairingNames(replaced), verifier, share.shareP);
  assert.throws(() => proverFinish(pairingNames(committed), { w0, w1 }, share, answer.shareV, answer.confirmV));
});

test('row 12: someone in the middle with the PIN matches the short strings by chance only', () => {
  const runs = rounds(20_000, 100_000);
  let equal = 0;
  let lastTwoEqual = 0;
  for (let run = 0; run < runs; run += 1) {
    // Two legs with keys nobody steers: y of the daemon and x of the node are fresh, the nonces were committed to.
    const daemonNonce = randomBytes(32);
    const toNode = shortString(randomBytes(32), randomBytes(32), daemonNonce);
    const toDaemon = shortString(randomBytes(32), randomBytes(32), daemonNonce);
    if (toNode === toDaemon) equal += 1;
    if (toNode.slice(4) === toDaemon.slice(4)) lastTwoEqual += 1;
  }
  const expected = runs / 100;
  assert.ok(equal <= 4, `${equal} full matches, 0.1 expected in 100,000`);
  assert.ok(Math.abs(lastTwoEqual - expected) < 6 * Math.sqrt(expected), `${lastTwoEqual} matches of two digits`);
});

test('row 12: without the commitment the same attacker would grind a match, so the statistic can fail', () => {
  const daemonNonce = randomBytes(32);
  const shown = shortString(randomBytes(32), randomBytes(32), daemonNonce).slice(3);
  const key = randomBytes(32);
  let found = false;
  for (let attempt = 0; attempt < 50_000 && !found; attempt += 1) {
    found = shortString(key, randomBytes(32), daemonNonce).slice(3) === shown;
  }
  assert.ok(found);
});
