import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { DeviceId, RequestId } from '../../../src/kernel/ids.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { makeLogger } from '../../../src/kernel/log.ts';
import { insertCertificate, markFirstUse } from '../../../src/store/certificates.ts';
import { noteDeviceFacts, noteDisconnect } from '../../../src/store/device-directory.ts';
import { changeGrant, insertDevice, moveTrust } from '../../../src/store/devices.ts';
import { closeSession, openSession } from '../../../src/store/node-sessions.ts';
import { nodeRuntimePath, openNodeRuntime } from '../../../src/store/open-node-runtime.ts';
import { chargeTry, deleteExpiredPairingCodes, insertPairingCode } from '../../../src/store/pairing-codes.ts';
import { insertPairingRequest, movePairingRequest } from '../../../src/store/pairing-requests.ts';
import { parseRuntimeText } from '../../../src/store/runtime-text.ts';
import type { Store, Tx } from '../../../src/store/store.ts';
import { type OpenStore, onEachEngine } from '../../support/engines.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { newDevice } from '../../support/identity-home.ts';
import {
  DEVICE,
  newCertificate,
  newCode,
  newPairingRequest,
  newRequest,
  newSession,
} from '../../support/store-rows.ts';

const START = Date.UTC(2026, 10, 25, 12);
// What it reports at error level is expected here.
const SILENT = makeLogger({ level: 'error', component: 'test', fd: openSync('/dev/null', 'w') });
const FINGERPRINT = Array.from({ length: 32 }, () => 'AB').join(':');
const REQUEST = '01BX5ZZKBKACTAV9WEVGEMMVRZ' as RequestId;

interface Home {
  readonly home: string;
  readonly path: string;
  readonly clock: FakeClock;
  readonly open: (store: Store) => ReturnType<typeof openNodeRuntime>;
}

function homeOf(t: TestContext): Home {
  const home = mkdtempSync(join(tmpdir(), 'palyra-runtime-'));
  t.after(() => rmSync(home, { recursive: true }));
  const clock = new FakeClock(START);
  const open = (store: Store) => openNodeRuntime({ home, store, daemonId: 'daemon-1', clock, log: SILENT });
  return { home, path: nodeRuntimePath(home), clock, open };
}

const read = (path: string) => parseRuntimeText(readFileSync(path, 'utf8'), path);

const pair = (store: Store) =>
  store.write(async (tx) => {
    await insertDevice(tx, newDevice(DEVICE, 'web-1', 'key', START, 'trusted'));
    await insertCertificate(tx, newCertificate(FINGERPRINT, DEVICE));
  });

/** Opened, with one device on file. */
async function running(t: TestContext, open: OpenStore) {
  const store = await open(t);
  const at = homeOf(t);
  await pair(store);
  const { file } = await at.open(store);
  await file.write();
  return { ...at, store, file };
}

onEachEngine('a change is on file within a second, private, and in one piece', async (t, open) => {
  const { store, file, clock, path, home } = await running(t, open);
  await store.write((tx) => changeGrant(tx, DEVICE, '["shell.execute"]'));
  clock.advance(LIMITS.runtimeFileMs - 1);
  await file.idle();
  assert.equal(read(path).nodes[DEVICE]?.granted_json, '[]');
  clock.advance(1);
  await file.idle();
  assert.equal(read(path).nodes[DEVICE]?.granted_json, '["shell.execute"]');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(home), ['node-runtime.v1.json']);
});

const facts = {
  platform: 'linux',
  arch: 'arm64',
  os_version: '7',
  palyra_version: '1.0.0',
  hostname: 'other',
  offered_json: '[]',
  last_seen_at_unix_ms: 9,
  seen_tokens_json: '["x"]',
};
const session = newSession(DEVICE);
/** What happens to a fleet, and whether it must be on file. */
const acts: Record<string, { readonly due: boolean; readonly act: (tx: Tx) => Promise<unknown> }> = {
  'a new device': {
    due: true,
    act: (tx) => insertDevice(tx, newDevice('01BX5ZZKBKACTAV9WEVGEMMVRZ' as DeviceId, 'b', 'k2', 1)),
  },
  'a revocation': { due: true, act: (tx) => moveTrust(tx, DEVICE, ['trusted'], 'revoked', 'lost', 1) },
  'a first use': { due: true, act: (tx) => markFirstUse(tx, FINGERPRINT, 1) },
  'a new code': { due: true, act: (tx) => insertPairingCode(tx, newCode('c')) },
  'a try of a code': { due: true, act: (tx) => chargeTry(tx, 'live', START, START + 1) },
  'a decision': { due: true, act: (tx) => movePairingRequest(tx, 'r', 'pending_approval', 'approved', {}) },
  'a connection': { due: false, act: (tx) => noteDeviceFacts(tx, DEVICE, facts) },
  'a session': { due: false, act: (tx) => openSession(tx, session) },
  'the end of a session': { due: false, act: (tx) => closeSession(tx, DEVICE, session.session_id, 1) },
  'a disconnect': {
    due: false,
    act: (tx) => noteDisconnect(tx, DEVICE, { atUnixMs: 1, reason: 'x', lastSeenAtUnixMs: 1 }),
  },
  'a request': { due: false, act: (tx) => tx.insertInto('capability_requests').values(newRequest(REQUEST)).execute() },
  'a sweep that finds nothing': { due: false, act: (tx) => deleteExpiredPairingCodes(tx, 1) },
  'a transition that does not happen': {
    due: false,
    act: (tx) => moveTrust(tx, DEVICE, ['enrolling'], 'trusted', null, 1),
  },
};

onEachEngine('facts of the fleet are written, and nothing else is', async (t, open) => {
  for (const [what, { due, act }] of Object.entries(acts)) {
    const { store, file, clock, path } = await running(t, open);
    await store.write(async (tx) => {
      await insertPairingCode(tx, newCode('live', { expires_at_unix_ms: START + 1000 }));
      await insertPairingRequest(tx, newPairingRequest('r'));
    });
    await file.write();
    const before = statSync(path).ino;
    await store.write(act);
    clock.advance(LIMITS.runtimeFileLongestMs);
    await file.idle();
    assert.equal(statSync(path).ino !== before, due, what);
  }
});

onEachEngine('a write that failed changes nothing, and many changes make one copy', async (t, open) => {
  const { store, file, clock, path } = await running(t, open);
  await file.idle();
  clock.advance(LIMITS.runtimeFileLongestMs);
  await file.idle();
  const before = statSync(path).ino;
  await assert.rejects(
    store.write(async (tx) => {
      await changeGrant(tx, DEVICE, '["a"]');
      throw new Error('on purpose');
    }),
  );
  for (let at = 0; at < 20; at += 1) await store.write((tx) => changeGrant(tx, DEVICE, `["${at}"]`));
  assert.equal(clock.timers, 1);
  clock.advance(LIMITS.runtimeFileMs);
  await file.idle();
  assert.notEqual(statSync(path).ino, before);
  assert.equal(read(path).nodes[DEVICE]?.granted_json, '["19"]');
  assert.equal(clock.timers, 0);
});

onEachEngine('a larger fleet waits longer, up to the longest, but no loss of trust does', async (t, open) => {
  const store = await open(t);
  const { clock, path, open: openRuntime } = homeOf(t);
  const large = 'x'.repeat(60_000);
  await store.write(async (tx) => {
    for (let at = 0; at < 60; at += 1) {
      const id = `01ARZ3NDEKTSV4RRFFQ69G5F${String(at).padStart(2, '0')}` as DeviceId;
      await insertDevice(tx, {
        ...newDevice(id, 'a', `key-${at}`, 1, 'trusted'),
        labels_json: JSON.stringify({ large }),
      });
    }
  });
  const { file } = await openRuntime(store);
  await file.write();
  assert.equal(file.delayMs, 4 * LIMITS.runtimeFileMs);
  const id = '01ARZ3NDEKTSV4RRFFQ69G5F07' as DeviceId;
  await store.write((tx) => tx.updateTable('devices').set({ name: 'b' }).where('device_id', '=', id).execute());
  clock.advance(3 * LIMITS.runtimeFileMs - 1);
  await file.idle();
  assert.equal(read(path).nodes[id]?.name, 'a');
  await store.write((tx) => moveTrust(tx, id, ['trusted'], 'revoked', 'stolen', 2));
  clock.advance(LIMITS.runtimeFileMs);
  await file.idle();
  assert.deepEqual([read(path).nodes[id]?.name, read(path).nodes[id]?.trust], ['b', 'revoked']);
});

onEachEngine('a copy that cannot be written is tried again', async (t, open) => {
  const { store, file, clock, path, home } = await running(t, open);
  rmSync(home, { recursive: true });
  await store.write((tx) => changeGrant(tx, DEVICE, '["a"]'));
  clock.advance(LIMITS.runtimeFileMs);
  await file.idle();
  assert.equal(existsSync(path), false);
  await assert.rejects(file.write());
  mkdirSync(home);
  clock.advance(LIMITS.runtimeFileLongestMs);
  await file.idle();
  assert.equal(read(path).nodes[DEVICE]?.granted_json, '["a"]');
});

onEachEngine('the rest of a copy that a killed daemon was writing goes', async (t, open) => {
  const { home, open: openRuntime } = homeOf(t);
  writeFileSync(join(home, 'node-runtime.v1.json.0123456789ab.tmp'), '{"half');
  writeFileSync(join(home, 'daemon.json.tmp'), 'not ours');
  await openRuntime(await open(t));
  assert.deepEqual(readdirSync(home), ['daemon.json.tmp']);
});
