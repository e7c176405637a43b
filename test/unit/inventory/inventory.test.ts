// Who is there: presence is an open stream and nothing else; a session fences off the ones before it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Inventory } from '../../../src/inventory/inventory.ts';
import { presenceOf } from '../../../src/inventory/presence.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { type DeviceId, idMaker } from '../../../src/kernel/ids.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { insertDevice } from '../../../src/store/devices.ts';
import { openSqliteStore } from '../../../src/store/sqlite.ts';
import { QUIET } from '../../support/engines.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { newDevice, START } from '../../support/identity-home.ts';

const refused = (code: string) => (error: unknown) => error instanceof PalyraError && error.code === code;
const OFFERS = [{ name: 'echo', available: true, unavailable_reason: null }];
const instance = (clock: FakeClock, skewMs = 0) => ({
  bootId: 'boot',
  ledgerId: 'ledger',
  pid: 1,
  palyraVersion: '0.1.0',
  startedAtUnixMs: 1,
  platform: 'linux',
  arch: 'x64',
  osVersion: '6.18',
  hostname: 'h',
  remoteAddress: '192.0.2.1',
  nodeUnixMs: clock.now() + skewMs,
});

async function inventoryOf(t: TestContext, names: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'palyra-inventory-'));
  const store = await openSqliteStore({ path: join(folder, 'palyra.db') });
  t.after(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const clock = new FakeClock(START);
  const newId = idMaker(() => clock.now());
  const devices = names.map((name) => ({ name, id: newId() as DeviceId }));
  await store.write(async (tx) => {
    for (const { name, id } of devices) await insertDevice(tx, newDevice(id, name, id, START, 'trusted'));
  });
  const changed: DeviceId[] = [];
  const make = () =>
    new Inventory({ store, clock, log: QUIET, newId, daemonId: 'd1', changed: (id) => void changed.push(id) });
  return { inventory: make(), again: make, clock, changed, ids: devices.map(({ id }) => id) };
}

test('a device is online while its stream is open, stale for a while after, then offline; a start knows nobody', async (t) => {
  const { inventory, again, clock, ids } = await inventoryOf(t, ['web-1']);
  const [id] = ids as [DeviceId];
  const presence = async (of = inventory): Promise<string> => (await of.describe(id)).presence;
  assert.equal(await presence(), 'offline');
  const { sessionId } = await inventory.register(id, instance(clock), OFFERS);
  assert.equal(await presence(), 'offline', 'who registered has no stream yet');
  inventory.opened(id, sessionId);
  assert.equal(await presence(), 'online');
  inventory.health(id, 'the disk is full');
  assert.equal(await presence(), 'degraded');
  inventory.health(id, null);
  assert.equal(await presence(again()), 'offline', 'another daemon, or this one after a kill');
  await inventory.closed(id, sessionId, 'the connection broke');
  assert.equal(await presence(), 'stale');
  assert.equal((await inventory.target(id))?.lastDisconnectReason, 'the connection broke');
  clock.advance(LIMITS.staleMs);
  assert.equal(await presence(), 'offline');
});

test('presence follows from the stream alone, whatever the times say', () => {
  for (const lastDisconnectedAtUnixMs of [null, 0, START, START + 1e9]) {
    assert.equal(presenceOf({ connected: true, degradedReason: null, lastDisconnectedAtUnixMs }, START), 'online');
  }
  assert.equal(
    presenceOf({ connected: false, degradedReason: null, lastDisconnectedAtUnixMs: null }, START),
    'offline',
  );
});

test('of the sessions of a device only the newest counts, in whatever order their streams come and go', async (t) => {
  const { inventory, clock, ids } = await inventoryOf(t, ['web-1', 'web-2']);
  const [id, other] = ids as [DeviceId, DeviceId];
  const first = await inventory.register(id, instance(clock), OFFERS);
  const second = await inventory.register(id, instance(clock), OFFERS);
  assert.ok(second.epoch > first.epoch);
  assert.throws(() => inventory.opened(other, second.sessionId), refused('session_superseded'), 'of another device');
  inventory.opened(id, second.sessionId);
  assert.throws(() => inventory.opened(id, first.sessionId), refused('session_superseded'));
  // The end of the old one is heard late: the new one stays.
  await inventory.closed(id, first.sessionId, 'late');
  assert.equal((await inventory.describe(id)).presence, 'online');
  assert.equal(inventory.connected, 1);
  await inventory.closed(id, second.sessionId, 'over');
  assert.equal(inventory.connected, 0);
});

test('a node is found by id, name or a prefix that only it has; several are listed, none is guessed', async (t) => {
  const { inventory, ids } = await inventoryOf(t, ['web-1', 'twin', 'twin', "'; drop table devices --", '%']);
  const [web] = ids as [DeviceId];
  assert.equal((await inventory.resolve('web-1')).device_id, web);
  assert.equal((await inventory.resolve(web)).device_id, web);
  assert.equal((await inventory.resolve(web.toLowerCase())).device_id, web);
  await assert.rejects(inventory.resolve('twin'), refused('ambiguous_name'));
  // All of one moment share their first letters.
  await assert.rejects(inventory.resolve(web.slice(0, 8)), refused('ambiguous_name'));
  for (const nobody of ['web', 'WEB-1', '', '%%', '_', 'web-1 ', '../web-1', '0'.repeat(200)]) {
    await assert.rejects(inventory.resolve(nobody), refused('node_not_found'), JSON.stringify(nobody));
  }
  assert.equal((await inventory.resolve('%')).name, '%');
  assert.equal((await inventory.resolve("'; drop table devices --")).name, "'; drop table devices --");
});

test('a list is read page by page, with nobody twice and nobody left out, also by presence', async (t) => {
  const names = Array.from({ length: 23 }, (_, at) => `n${at}`);
  const { inventory, clock, ids } = await inventoryOf(t, names);
  for (const id of ids.filter((_, at) => at % 3 === 0)) {
    inventory.opened(id, (await inventory.register(id, instance(clock), OFFERS)).sessionId);
  }
  const all = async (query: Parameters<Inventory['list']>[0]): Promise<string[]> => {
    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<Inventory['list']>> = await inventory.list(query, cursor, 4);
      assert.ok(page.rows.length <= 4);
      found.push(...page.rows.map(({ name }) => name));
      cursor = page.nextCursor;
    } while (cursor !== null);
    return found;
  };
  assert.deepEqual(await all({}), names);
  assert.deepEqual(
    await all({ presence: ['online'] }),
    names.filter((_, at) => at % 3 === 0),
  );
  assert.deepEqual(await all({ search: 'N2' }), ['n2', 'n20', 'n21', 'n22']);
  assert.deepEqual(await all({ search: '%' }), []);
});

test('the clock of a node is measured at its register, and the pace of heartbeats follows the size of the fleet', async (t) => {
  const { inventory, clock, ids } = await inventoryOf(t, ['web-1']);
  const [id] = ids as [DeviceId];
  const { sessionId } = await inventory.register(id, instance(clock, -900_000), OFFERS);
  inventory.opened(id, sessionId);
  assert.equal((await inventory.describe(id)).clock_skew_ms, -900_000);
  assert.equal(inventory.heartbeatMs, LIMITS.heartbeatMs);
});
