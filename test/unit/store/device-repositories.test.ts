// Devices and their sessions on both databases.
import assert from 'node:assert/strict';
import type { DeviceId, SessionId } from '../../../src/kernel/ids.ts';
import {
  deviceById,
  devicesByIdPrefix,
  devicesByName,
  listDevices,
  noteDeviceFacts,
  noteDisconnect,
  noteOffers,
} from '../../../src/store/device-directory.ts';
import { changeGrant, changeKey, insertDevice, moveTrust, noteGeneration } from '../../../src/store/devices.ts';
import {
  allSessions,
  closeSession,
  closeSessionsOf,
  findSession,
  openSession,
} from '../../../src/store/node-sessions.ts';
import { isDuplicateKey } from '../../../src/store/sqlite-failure.ts';
import { onEachEngine } from '../../support/engines.ts';
import { newDevice } from '../../support/identity-home.ts';
import { newSession } from '../../support/store-rows.ts';

const id = (at: number) => `01ARZ3NDEKTSV4RRFFQ69G5F${String(at).padStart(2, '0')}` as DeviceId;

onEachEngine(
  'devices are found by words, whatever their case, and no character of a word means anything',
  async (t, open) => {
    const store = await open(t);
    const names = ['Web-1', 'web_2', 'a%b', 'a\\b', 'plain'];
    await store.write(async (tx) => {
      for (const [at, name] of names.entries())
        await insertDevice(tx, newDevice(id(at), name, `key-${at}`, 1, 'trusted'));
    });
    const search = async (text: string) =>
      (await listDevices(store.reader, { search: text }, null, 10)).map(({ name }) => name);
    assert.deepEqual(await search('WEB'), ['Web-1', 'web_2']);
    assert.deepEqual(await search('web_'), ['web_2']);
    assert.deepEqual(await search('%'), ['a%b']);
    assert.deepEqual(await search('\\'), ['a\\b']);
    assert.deepEqual(await search("'"), []);
    assert.deepEqual(await search(''), names);
  },
);

onEachEngine('devices come in pages by id; a removed one only when asked for', async (t, open) => {
  const store = await open(t);
  await store.write(async (tx) => {
    for (let at = 0; at < 5; at += 1) await insertDevice(tx, newDevice(id(at), 'same', `key-${at}`, 1, 'trusted'));
    await moveTrust(tx, id(2), ['trusted'], 'removed', null, 2);
  });
  const ids = (rows: readonly { device_id: DeviceId }[]) => rows.map(({ device_id }) => Number(device_id.slice(-2)));
  assert.deepEqual(ids(await listDevices(store.reader, {}, null, 3)), [0, 1, 3]);
  assert.deepEqual(ids(await listDevices(store.reader, {}, id(3), 3)), [4]);
  assert.deepEqual(ids(await listDevices(store.reader, { trust: ['removed'] }, null, 3)), [2]);
  assert.deepEqual(ids(await devicesByName(store.reader, 'same', 10)), [0, 1, 3, 4]);
  assert.deepEqual(await devicesByName(store.reader, 'SAME', 10), []);
  assert.deepEqual(ids(await devicesByIdPrefix(store.reader, id(3), 10)), [3]);
  assert.equal((await devicesByIdPrefix(store.reader, '01ARZ3', 2)).length, 2);
  assert.deepEqual(await devicesByIdPrefix(store.reader, '01ARZ4', 2), []);
});

onEachEngine('a device keeps what is noted of it, and its key is its alone', async (t, open) => {
  const store = await open(t);
  await store.write(async (tx) => {
    await insertDevice(tx, newDevice(id(1), 'a', 'one', 1));
    await insertDevice(tx, newDevice(id(2), 'b', 'two', 1));
  });
  for (const write of [
    store.write((tx) => insertDevice(tx, newDevice(id(3), 'c', 'one', 1))),
    store.write((tx) => insertDevice(tx, newDevice(id(1), 'c', 'three', 1))),
    store.write((tx) => changeKey(tx, id(2), 'one')),
  ]) {
    assert.ok(isDuplicateKey(await write.catch((cause: unknown) => cause)));
  }
  assert.deepEqual(await Promise.all([1, 1, 2].map((from) => store.write((tx) => noteGeneration(tx, id(1), from)))), [
    true,
    false,
    true,
  ]);
  await store.write(async (tx) => {
    await changeGrant(tx, id(1), '["a"]');
    await noteOffers(tx, id(1), '[]');
    await noteDisconnect(tx, id(1), { atUnixMs: 7, reason: 'silence', lastSeenAtUnixMs: 6 });
    const { platform, arch, os_version, palyra_version, hostname, offered_json } = newDevice(id(1), 'x', 'x', 1);
    const facts = { platform, arch, os_version, palyra_version, hostname, offered_json };
    await noteDeviceFacts(tx, id(2), {
      ...facts,
      last_seen_at_unix_ms: Number.MAX_SAFE_INTEGER,
      seen_tokens_json: '[]',
    });
  });
  const [first, second] = [await deviceById(store.reader, id(1)), await deviceById(store.reader, id(2))];
  assert.deepEqual(
    [first?.granted_json, first?.last_disconnect_reason, first?.last_seen_at_unix_ms],
    ['["a"]', 'silence', 6],
  );
  assert.equal(second?.last_seen_at_unix_ms, Number.MAX_SAFE_INTEGER);
  assert.equal(await deviceById(store.reader, id(9)), undefined);
});

onEachEngine('each session of a device has the next epoch, and only the newest is closed', async (t, open) => {
  const store = await open(t);
  const [one, two] = ['s1', 's2'] as SessionId[];
  assert.ok(one !== undefined && two !== undefined);
  const epochs = [one, two].map((session_id) =>
    store.write((tx) => openSession(tx, newSession(id(1), { session_id }))),
  );
  assert.deepEqual(await Promise.all(epochs), [1, 2]);
  await store.write((tx) => closeSession(tx, id(1), one, 5));
  assert.equal((await findSession(store.reader, id(1)))?.closed_at_unix_ms, null);
  await store.write((tx) => closeSession(tx, id(1), two, 6));
  assert.equal((await findSession(store.reader, id(1)))?.closed_at_unix_ms, 6);
  await store.write((tx) => openSession(tx, newSession(id(2), { daemon_id: 'other' })));
  await store.write((tx) => openSession(tx, newSession(id(3))));
  await store.write((tx) => closeSessionsOf(tx, 'daemon-1', 8));
  const closed = (await allSessions(store.reader)).map((row) => [row.device_id, row.closed_at_unix_ms]);
  assert.deepEqual(
    new Map(closed as [DeviceId, number | null][]),
    new Map<DeviceId, number | null>([
      [id(1), 6],
      [id(2), null],
      [id(3), 8],
    ]),
  );
});
