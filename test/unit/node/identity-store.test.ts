import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { IdentityStore } from '../../../src/node/identity-store.ts';
import { issueCa, issueDeviceLeaf } from '../../../src/x509/issue.ts';
import { generateP256, spkiOf } from '../../../src/x509/key-pair.ts';
import { testFolder } from '../../support/capability-context.ts';

const NOW = Date.UTC(2026, 10, 25);
const lifetime = { nowUnixMs: NOW, lifetimeMs: 60_000 };

test('authorities that the daemon names take the place of the old ones; what is none changes nothing', async (t) => {
  const store = new IdentityStore(testFolder(t));
  const key = await store.deviceKey();
  const caKey = await generateP256();
  const old = await issueCa(caKey, lifetime);
  const next = await issueCa(await generateP256(), lifetime);
  const issuer = { key: caKey, certificate: new X509Certificate(old) };
  const leaf = await issueDeviceLeaf(issuer, spkiOf(key), '01ARZ3NDEKTSV4RRFFQ69G5FAV', lifetime);
  await store.saveCertificate([leaf], [old]);
  const before = readFileSync(store.caPath, 'utf8');

  assert.equal(await store.saveBundle([old]), false, 'the same ones');
  const refused = (cause: unknown): boolean => cause instanceof PalyraError && cause.code === 'credential_damaged';
  const wrong = {
    'none at all': [],
    'a leaf': [old, leaf],
    'no certificate': [Buffer.from('x')],
    'too many': Array(9).fill(old),
  };
  for (const [what, ders] of Object.entries(wrong)) {
    await assert.rejects(store.saveBundle(ders as Buffer[]), refused, what);
    assert.equal(readFileSync(store.caPath, 'utf8'), before, what);
  }

  assert.equal(await store.saveBundle([old, next]), true);
  const pem = store.load()?.caPem ?? '';
  assert.equal(pem.match(/BEGIN CERTIFICATE/g)?.length, 2);
  assert.ok(pem.includes(new X509Certificate(next).toString().trim()));
});
