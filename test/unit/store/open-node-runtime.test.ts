import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { RequestId } from '../../../src/kernel/ids.ts';
import { makeLogger } from '../../../src/kernel/log.ts';
import { openRequests } from '../../../src/store/capability-requests.ts';
import { insertCertificate, liveCertificates } from '../../../src/store/certificates.ts';
import { insertDevice } from '../../../src/store/devices.ts';
import { openSession } from '../../../src/store/node-sessions.ts';
import { nodeRuntimePath, openNodeRuntime } from '../../../src/store/open-node-runtime.ts';
import { parseRuntimeText } from '../../../src/store/runtime-text.ts';
import type { Store } from '../../../src/store/store.ts';
import { onEachEngine } from '../../support/engines.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { newDevice } from '../../support/identity-home.ts';
import { DEVICE, newCertificate, newRequest, newSession } from '../../support/store-rows.ts';

const START = Date.UTC(2026, 10, 25, 12);
// What it reports is expected here.
const SILENT = makeLogger({ level: 'error', component: 'test', fd: openSync('/dev/null', 'w') });
const FINGERPRINT = Array.from({ length: 32 }, () => 'AB').join(':');
const REQUEST = '01BX5ZZKBKACTAV9WEVGEMMVRZ' as RequestId;

function homeOf(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'palyra-runtime-'));
  t.after(() => rmSync(home, { recursive: true }));
  return home;
}

const openRuntime = (home: string, store: Store) =>
  openNodeRuntime({ home, store, daemonId: 'daemon-1', clock: new FakeClock(START), log: SILENT });
const onFile = (home: string) => parseRuntimeText(readFileSync(nodeRuntimePath(home), 'utf8'), 'file');

/** A daemon with one paired device and one request in flight that stops as it should. */
async function cleanStop(home: string, store: Store): Promise<void> {
  const { file, restored } = await openRuntime(home, store);
  assert.equal(restored, undefined);
  await store.write(async (tx) => {
    await insertDevice(tx, newDevice(DEVICE, 'web-1', 'key', START, 'trusted'));
    await insertCertificate(tx, newCertificate(FINGERPRINT, DEVICE));
    for (let at = 0; at < 3; at += 1) await openSession(tx, newSession(DEVICE));
    const inFlight = newRequest(REQUEST, {
      state: 'running',
      session_epoch: 3,
      ledger_id: 'ledger',
      stdin: Buffer.from('in'),
    });
    await tx.insertInto('capability_requests').values(inFlight).execute();
  });
  await file.flush();
}

onEachEngine('an empty database gets the fleet back: certificates, epochs, and what was in flight', async (t, open) => {
  const home = homeOf(t);
  await cleanStop(home, await open(t));
  const store = await open(t);
  const { restored } = await openRuntime(home, store);
  assert.deepEqual(restored, { nodes: 1, pairing_requests: 0, active_pairing_codes: 0, capability_requests: 1 });
  assert.deepEqual(
    (await liveCertificates(store.reader, null, 10)).map(({ fingerprint, trust }) => [fingerprint, trust]),
    [[FINGERPRINT, 'trusted']],
  );
  const [request] = await openRequests(store.reader, null, 10);
  assert.deepEqual([request?.request_id, request?.stdin, request?.session_epoch], [REQUEST, Buffer.from('in'), 3]);
  assert.equal(await store.write((tx) => openSession(tx, newSession(DEVICE))), 4);
});

onEachEngine(
  'what was in flight leaves the file before it can run on, so that it never runs twice',
  async (t, open) => {
    const home = homeOf(t);
    const store = await open(t);
    await cleanStop(home, store);
    assert.deepEqual(Object.keys(onFile(home).capability_requests), [REQUEST]);
    await openRuntime(home, store);
    assert.deepEqual(onFile(home).capability_requests, {});
    assert.deepEqual(Object.keys(onFile(home).nodes), [DEVICE]);
  },
);

onEachEngine('a database that has its fleet is what counts', async (t, open) => {
  const home = homeOf(t);
  const store = await open(t);
  await cleanStop(home, store);
  await store.write((tx) => tx.updateTable('devices').set({ trust: 'revoked' }).execute());
  const { restored } = await openRuntime(home, store);
  assert.equal(restored, undefined);
  assert.equal((await store.reader.selectFrom('devices').select('trust').executeTakeFirst())?.trust, 'revoked');
});

onEachEngine('a damaged file is set aside and reported, and the daemon goes on', async (t, open) => {
  const home = homeOf(t);
  const path = nodeRuntimePath(home);
  const store = await open(t);
  await cleanStop(home, store);
  const damaged = readFileSync(path, 'utf8').replace('trusted', 'revoked');
  for (const text of [damaged, '{"half":', '']) {
    writeFileSync(path, text);
    const { setAside, file } = await openRuntime(home, store);
    assert.ok(setAside !== undefined);
    assert.equal(readFileSync(setAside, 'utf8'), text);
    await file.write();
    assert.deepEqual(Object.keys(onFile(home).nodes), [DEVICE]);
  }
  assert.equal(readdirSync(home).filter((name) => name.includes('.damaged-')).length, 3);
});

onEachEngine('a file that fits itself but no database is set aside too', async (t, open) => {
  const home = homeOf(t);
  const first = await open(t);
  await cleanStop(home, first);
  await first.write((tx) => insertDevice(tx, newDevice('01BX5ZZKBKACTAV9WEVGEMMVRZ' as never, 'b', 'KEY', START)));
  const { file } = await openRuntime(home, first);
  await file.flush();
  const path = nodeRuntimePath(home);
  const body = readFileSync(path, 'utf8')
    .replace(/,\n"sha256".*/s, '')
    .replace('"KEY"', '"key"');
  writeFileSync(path, `${body},\n"sha256":"${createHash('sha256').update(body).digest('hex')}"}\n`);
  const store = await open(t);
  const { setAside, restored } = await openRuntime(home, store);
  assert.ok(setAside !== undefined);
  assert.equal(restored, undefined);
  assert.deepEqual(await store.reader.selectFrom('devices').select('device_id').execute(), []);
});

onEachEngine('a newer file, or one that others can read, is refused and stays', async (t, open) => {
  const home = homeOf(t);
  const path = nodeRuntimePath(home);
  const store = await open(t);
  writeFileSync(path, '{"schema_version":2}', { mode: 0o600 });
  await assert.rejects(openRuntime(home, store), { code: 'database_newer' });
  chmodSync(path, 0o644);
  await assert.rejects(openRuntime(home, store), { code: 'credential_unsafe' });
  assert.equal(readFileSync(path, 'utf8'), '{"schema_version":2}');
  assert.equal(statSync(path).mode & 0o777, 0o644);
});
