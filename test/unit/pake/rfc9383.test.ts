// The vector of RFC 9383, appendix C, for P256-SHA256-HKDF-SHA256-HMAC-SHA256.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { p256 } from '@noble/curves/nist.js';
import { proverFinish, proverShare, verifierPoint, verifierRespond } from '../../../src/pake/spake2plus.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const names = {
  context: Buffer.from('SPAKE2+-P256-SHA256-HKDF-SHA256-HMAC-SHA256 Test Vectors'),
  idProver: 'client',
  idVerifier: 'server',
};
const w0 = hex('bb8e1bbcf3c48f62c08db243652ae55d3e5586053fca77102994f23ad95491b3');
const w1 = hex('7e945f34d78785b8a3ef44d0df5a1a97d6b3b460409a345ca7830387a74b1dba');
const l = hex(
  '04eb7c9db3d9a9eb1f8adab81b5794c1f13ae3e225efbe91ea487425854c7fc00f00bfedcbd09b2400142d40a14f2064ef31dfaa903b91d1faea7093d835966efd',
);
const x = hex('d1232c8e8693d02368976c174e2088851b8365d0d79a9eee709c6a05a2fad539');
const y = hex('717a72348a182085109c8d3917d6c43d59b224dc6a7fc4f0483232fa6516d8b3');
const shareP = hex(
  '04ef3bd051bf78a2234ec0df197f7828060fe9856503579bb1733009042c15c0c1de127727f418b5966afadfdd95a6e4591d171056b333dab97a79c7193e341727',
);
const shareV = hex(
  '04c0f65da0d11927bdf5d560c69e1d7d939a05b0e88291887d679fcadea75810fb5cc1ca7494db39e82ff2f50665255d76173e09986ab46742c798a9a68437b048',
);
const confirmP = '926cc713504b9b4d76c9162ded04b5493e89109f6d89462cd33adc46fda27527';
const confirmV = '9747bcc4f8fe9f63defee53ac9b07876d907d55047e6ff2def2e7529089d3e68';
const sharedKey = '0c5f8ccd1413423a54f6c1fb26ff01534a87f893779c6e68666d772bfd91f3e7';

test('the registration record is L = w1*P', () => {
  assert.equal(verifierPoint(w1).toString('hex'), l.toString('hex'));
});

test('the prover sends the share of the vector', () => {
  assert.equal(proverShare(w0, x).shareP.toString('hex'), shareP.toString('hex'));
});

test('the verifier answers with share, confirmations and key of the vector', () => {
  const answer = verifierRespond(names, { w0, l }, shareP, y);
  assert.equal(answer.shareV.toString('hex'), shareV.toString('hex'));
  assert.equal(answer.confirmV.toString('hex'), confirmV);
  assert.equal(answer.confirmP.toString('hex'), confirmP);
  assert.equal(answer.sharedKey.toString('hex'), sharedKey);
});

test('the prover accepts that answer and ends with the same confirmation and key', () => {
  const end = proverFinish(names, { w0, w1 }, { x, shareP }, shareV, hex(confirmV));
  assert.equal(end.confirmP.toString('hex'), confirmP);
  assert.equal(end.sharedKey.toString('hex'), sharedKey);
});

test('the blinding points are the ones of the RFC', () => {
  // Section 4 gives them compressed; a share of w0 = 1 and an unblinded one differ by exactly M.
  const one = Buffer.concat([Buffer.alloc(31), Buffer.of(1)]);
  const blinded = p256.Point.fromBytes(proverShare(one, x).shareP);
  const m = blinded.subtract(p256.Point.fromBytes(verifierPoint(x)));
  assert.equal(m.toHex(true), '02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f');
  const answer = p256.Point.fromBytes(verifierRespond(names, { w0: one, l }, shareP, y).shareV);
  const n = answer.subtract(p256.Point.fromBytes(verifierPoint(y)));
  assert.equal(n.toHex(true), '03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49');
});
