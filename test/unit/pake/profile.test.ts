// The profile of Palyra: identities, stretching, context and short string, against one fixed run.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { contextBytes, type PairingContext, pairingNames } from '../../../src/pake/context.ts';
import { opensCommitment, sasCommitment, shortString, showShortString } from '../../../src/pake/short-string.ts';
import { confirms, proverFinish, proverShare, verifierRespond } from '../../../src/pake/spake2plus.ts';
import { makeVerifier, stretch } from '../../../src/pake/stretch.ts';

const sha256 = (data: Uint8Array | string): Buffer => createHash('sha256').update(data).digest();
const pin = '4712345675';
const salt = Buffer.alloc(16, 0x11);
const sasNonce = Buffer.alloc(32, 0x22);
const context: PairingContext = {
  kind: 'pin',
  selector: '47',
  sessionId: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  salt,
  caSha256: sha256('ca'),
  csrSha256: sha256('csr'),
  helloHash: sha256('hello'),
  sasCommit: sasCommitment(sasNonce),
  daemonNonce: Buffer.alloc(32, 0x33),
};
const x = Buffer.alloc(32, 1);
const y = Buffer.alloc(32, 2);

test('a run with fixed values gives the fixed results on both sides', async () => {
  assert.equal(
    sha256(contextBytes(context)).toString('hex'),
    '4674dcd7e880888675d57433cb4a7ba8d33087f512a0aa9fe792302f522b1355',
  );
  const scalars = await stretch(pin, salt);
  assert.equal(
    Buffer.from(scalars.w0).toString('hex'),
    '9f399e34f4d8a6cb8cbc8cc1c45624c7444285e72081f5b0438f61883fc3e779',
  );
  const share = proverShare(scalars.w0, x);
  const answer = verifierRespond(pairingNames(context), await makeVerifier(pin, salt), share.shareP, y);
  assert.equal(answer.confirmV.toString('hex'), 'c40f7c35dea7e39928163e873042303f763d585d6533a54c0175e14e421d9152');
  const end = proverFinish(pairingNames(context), scalars, share, answer.shareV, answer.confirmV);
  assert.equal(end.confirmP.toString('hex'), 'c370bc079e370b1272968b28934f05abf93fba8515ad1595b8ae270919cf0fbd');
  assert.ok(confirms(answer.confirmP, end.confirmP));
  for (const key of [answer.sharedKey, end.sharedKey]) {
    assert.equal(key.toString('hex'), 'c01cfbc274cfc807f37fe74ceef596fa5f7195b8241796f1412d6e0dfbd8e9d5');
    assert.equal(shortString(key, sasNonce, context.daemonNonce), '089780');
  }
  assert.equal(showShortString('089780'), '089 780');
});

test('one difference in PIN, CA, CSR or any other bound value and the node refuses the daemon', async () => {
  const scalars = await stretch(pin, salt);
  const share = proverShare(scalars.w0);
  const verifier = await makeVerifier(pin, salt);
  const others: [string, PairingContext][] = [
    ['kind', { ...context, kind: 'token' }],
    ['selector', { ...context, selector: '48' }],
    ['session', { ...context, sessionId: '01ARZ3NDEKTSV4RRFFQ69G5FAW' }],
    ['salt', { ...context, salt: Buffer.alloc(16, 0x12) }],
    ['CA', { ...context, caSha256: sha256('another ca') }],
    ['CSR', { ...context, csrSha256: sha256('another csr') }],
    ['hello', { ...context, helloHash: sha256('another hello') }],
    ['commitment', { ...context, sasCommit: sha256('another') }],
    ['nonce', { ...context, daemonNonce: Buffer.alloc(32, 0x34) }],
  ];
  const refused = (run: () => void, what: string): void =>
    assert.throws(run, (error: unknown) => error instanceof PalyraError && error.code === 'pairing_code_invalid', what);
  for (const [what, other] of others) {
    const answer = verifierRespond(pairingNames(other), verifier, share.shareP);
    refused(() => proverFinish(pairingNames(context), scalars, share, answer.shareV, answer.confirmV), what);
  }
  const wrong = verifierRespond(pairingNames(context), await makeVerifier('4712345684', salt), share.shareP);
  refused(() => proverFinish(pairingNames(context), scalars, share, wrong.shareV, wrong.confirmV), 'PIN');
});

test('a commitment opens for its own nonce only', () => {
  assert.ok(opensCommitment(sasCommitment(sasNonce), sasNonce));
  assert.equal(opensCommitment(sasCommitment(sasNonce), Buffer.alloc(32, 0x23)), false);
  assert.equal(opensCommitment(sasCommitment(sasNonce), Buffer.alloc(31, 0x22)), false);
  assert.equal(opensCommitment(Buffer.alloc(0), sasNonce), false);
});
