import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { DeviceId } from '../../../src/kernel/ids.ts';
import {
  certificateByCsr,
  certificatesOf,
  insertCertificate,
  liveCertificates,
  markFirstUse,
  revokeCertificate,
  revokeCertificates,
  supersedeOlder,
} from '../../../src/store/certificates.ts';
import { deviceBySpki, insertDevice, moveTrust, notePaired, releaseKey } from '../../../src/store/devices.ts';
import type { CertificateRow } from '../../../src/store/schema.ts';
import type { Store } from '../../../src/store/store.ts';
import { type OpenStore, onEachEngine } from '../../support/engines.ts';
import { newDevice } from '../../support/identity-home.ts';

const ID = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as DeviceId;

const certificate = (
  fingerprint: string,
  generation: number,
  fields: Partial<CertificateRow> = {},
): CertificateRow => ({
  fingerprint,
  device_id: ID,
  serial: fingerprint,
  generation,
  state: 'issued',
  csr_sha256: 'csr',
  certificate_der: Buffer.from(fingerprint),
  not_before_unix_ms: 0,
  not_after_unix_ms: 1_000,
  issued_at_unix_ms: 0,
  first_used_at_unix_ms: null,
  superseded_at_unix_ms: null,
  ...fields,
});

async function storeOf(t: TestContext, open: OpenStore, rows: readonly CertificateRow[] = []): Promise<Store> {
  const store = await open(t);
  await store.write(async (tx) => {
    await insertDevice(tx, newDevice(ID, 'web-1', 'key', 1));
    for (const row of rows) await insertCertificate(tx, row);
  });
  return store;
}

onEachEngine('a first use happens once, and never to a certificate that has ended', async (t, open) => {
  const store = await storeOf(t, open, [certificate('a', 1), certificate('b', 2)]);
  const use = (fingerprint: string, now: number) => store.write((tx) => markFirstUse(tx, fingerprint, now));
  assert.deepEqual(await Promise.all([use('a', 5), use('a', 6)]), [true, false]);
  assert.equal(await store.write((tx) => revokeCertificate(tx, 'b')), true);
  assert.equal(await store.write((tx) => revokeCertificate(tx, 'b')), false);
  assert.equal(await use('b', 7), false);
  assert.equal(await use('c', 7), false);
  const rows = await certificatesOf(store.reader, ID);
  assert.deepEqual(
    rows.map(({ fingerprint, state, first_used_at_unix_ms }) => [fingerprint, state, first_used_at_unix_ms]),
    [
      ['b', 'revoked', null],
      ['a', 'current', 5],
    ],
  );
});

onEachEngine('superseding spares newer ones, keeps the first time, and brings nothing back', async (t, open) => {
  const rows = [certificate('a', 1, { state: 'revoked' }), certificate('b', 2, { state: 'current' })];
  const store = await storeOf(t, open, [...rows, certificate('c', 3), certificate('d', 4)]);
  await store.write((tx) => supersedeOlder(tx, ID, 3, 50));
  await store.write((tx) => supersedeOlder(tx, ID, 4, 60));
  const seen = await certificatesOf(store.reader, ID);
  assert.deepEqual(
    seen.map(({ state, superseded_at_unix_ms }) => [state, superseded_at_unix_ms]),
    [
      ['issued', null],
      ['superseded', 60],
      ['superseded', 50],
      ['revoked', null],
    ],
  );
  await store.write((tx) => revokeCertificates(tx, ID, 4));
  assert.deepEqual(
    (await certificatesOf(store.reader, ID)).map(({ state }) => state),
    ['issued', 'revoked', 'revoked', 'revoked'],
  );
});

onEachEngine('the newest answer to a certificate request is found, of this device alone', async (t, open) => {
  const store = await storeOf(t, open, [
    certificate('a', 1),
    certificate('b', 2),
    certificate('c', 3, { csr_sha256: 'x' }),
  ]);
  const found = await certificateByCsr(store.reader, ID, 'csr');
  assert.equal(found?.fingerprint, 'b');
  assert.deepEqual(found?.certificate_der, Buffer.from('b'));
  assert.equal(await certificateByCsr(store.reader, '01BX5ZZKBKACTAV9WEVGEMMVRZ' as DeviceId, 'csr'), undefined);
});

onEachEngine('live certificates come in pages without gap or repetition', async (t, open) => {
  const rows = Array.from({ length: 7 }, (_, at) => certificate(`f${at}`, at, at === 3 ? { state: 'revoked' } : {}));
  const store = await storeOf(t, open, rows);
  const seen: string[] = [];
  let after: string | null = null;
  for (;;) {
    const page = await liveCertificates(store.reader, after, 2);
    seen.push(...page.map(({ fingerprint }) => fingerprint));
    if (page.length < 2) break;
    after = page.at(-1)?.fingerprint ?? null;
  }
  assert.deepEqual(seen, ['f0', 'f1', 'f2', 'f4', 'f5', 'f6']);
  await store.write((tx) => moveTrust(tx, ID, ['enrolling'], 'removed', null, 1));
  assert.deepEqual(await liveCertificates(store.reader, null, 10), []);
});

onEachEngine(
  'trust moves only from where it is said to be, and a removed device alone lets go of its key',
  async (t, open) => {
    const store = await storeOf(t, open);
    const move = (from: 'enrolling' | 'trusted', to: 'trusted' | 'removed') =>
      store.write((tx) => moveTrust(tx, ID, [from], to, 'why', 9));
    assert.equal(await move('trusted', 'removed'), false);
    assert.deepEqual(await Promise.all([move('enrolling', 'trusted'), move('enrolling', 'trusted')]), [true, false]);
    await store.write((tx) => notePaired(tx, ID, 10));
    await store.write((tx) => notePaired(tx, ID, 11));
    await store.write((tx) => releaseKey(tx, ID));
    const device = await deviceBySpki(store.reader, 'key');
    assert.deepEqual([device?.trust, device?.trust_reason, device?.paired_at_unix_ms], ['trusted', 'why', 10]);
    assert.equal(await move('trusted', 'removed'), true);
    await store.write((tx) => releaseKey(tx, ID));
    assert.equal(await deviceBySpki(store.reader, 'key'), undefined);
  },
);
