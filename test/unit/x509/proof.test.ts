import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { generateP256, readPrivateKey, spkiOf } from '../../../src/x509/key-pair.ts';
import { type ProofSubject, signKeyChange, signProof, verifyKeyChange, verifyProof } from '../../../src/x509/proof.ts';

test('row 17: a proof holds for one key, call, subject, challenge, CA and request', async () => {
  const [key, other] = await Promise.all([generateP256(), generateP256()]);
  const subject: ProofSubject = {
    call: 'FetchDeviceCertificate',
    subject: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
    challenge: randomBytes(48),
    caSha256: randomBytes(32),
    csrSha256: Buffer.alloc(0),
  };
  const proof = await signProof(key, subject);
  assert.equal(verifyProof(key, subject, proof), true);
  assert.equal(verifyProof(other, subject, proof), false);
  const changes: Partial<ProofSubject>[] = [
    { call: 'WatchPairingRequest' },
    { subject: '01ARZ3NDEKTSV4RRFFQ69G5FAW' },
    { challenge: randomBytes(48) },
    { caSha256: randomBytes(32) },
    { csrSha256: randomBytes(32) },
  ];
  for (const change of changes) assert.equal(verifyProof(key, { ...subject, ...change }, proof), false);
  for (const junk of [Buffer.alloc(0), Buffer.alloc(72), randomBytes(72), Buffer.concat([proof, Buffer.of(0)])]) {
    assert.equal(verifyProof(key, subject, junk), false);
  }
});

test('bytes cannot move from one field of a proof to the next', async () => {
  const key = await generateP256();
  const base = { call: 'FetchDeviceCertificate', caSha256: Buffer.alloc(0), csrSha256: Buffer.alloc(0) } as const;
  const proof = await signProof(key, { ...base, subject: 'ab', challenge: Buffer.from('c') });
  assert.equal(verifyProof(key, { ...base, subject: 'a', challenge: Buffer.from('bc') }, proof), false);
});

test('a change of key is signed by the old key for one device, daemon and new key', async () => {
  const [old, next, third] = await Promise.all([generateP256(), generateP256(), generateP256()]);
  const change = { deviceId: 'a', caSha256: randomBytes(32), newSpki: spkiOf(next) };
  const signature = await signKeyChange(old, change);
  assert.equal(verifyKeyChange(old, change, signature), true);
  assert.equal(verifyKeyChange(next, change, signature), false);
  assert.equal(verifyKeyChange(old, { ...change, deviceId: 'b' }, signature), false);
  assert.equal(verifyKeyChange(old, { ...change, newSpki: spkiOf(third) }, signature), false);
  assert.equal(verifyKeyChange(old, { ...change, caSha256: randomBytes(32) }, signature), false);
});

test('a damaged key file is named', () => {
  assert.throws(() => readPrivateKey('no key', '/x/key.pem'), { code: 'credential_damaged', message: /\/x\/key\.pem/ });
});
