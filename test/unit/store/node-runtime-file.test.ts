import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceId } from '../../../src/kernel/ids.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { changeGrant, insertDevice, moveTrust } from '../../../src/store/devices.ts';
import { onEachEngine } from '../../support/engines.ts';
import { newDevice } from '../../support/identity-home.ts';
import { readRuntime, runtimeHome, runtimeOfOne } from '../../support/runtime-home.ts';
import { DEVICE } from '../../support/store-rows.ts';

onEachEngine('a change is on file within a second, private, and in one piece', async (t, open) => {
  const { store, file, clock, path, home } = await runtimeOfOne(t, open);
  await store.write((tx) => changeGrant(tx, DEVICE, '["shell.execute"]'));
  clock.advance(LIMITS.runtimeFileMs - 1);
  await file.idle();
  assert.equal(readRuntime(path).nodes[DEVICE]?.granted_json, '[]');
  clock.advance(1);
  await file.idle();
  assert.equal(readRuntime(path).nodes[DEVICE]?.granted_json, '["shell.execute"]');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(home), ['node-runtime.v1.json']);
});

onEachEngine('a write that failed changes nothing, and many changes make one copy', async (t, open) => {
  const { store, file, clock, path } = await runtimeOfOne(t, open);
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
  assert.equal(readRuntime(path).nodes[DEVICE]?.granted_json, '["19"]');
  assert.equal(clock.timers, 0);
});

onEachEngine('a larger fleet waits longer, up to the longest, but no loss of trust does', async (t, open) => {
  const store = await open(t);
  const { clock, path, open: openRuntime } = runtimeHome(t);
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
  assert.equal(readRuntime(path).nodes[id]?.name, 'a');
  await store.write((tx) => moveTrust(tx, id, ['trusted'], 'revoked', 'stolen', 2));
  clock.advance(LIMITS.runtimeFileMs);
  await file.idle();
  assert.deepEqual([readRuntime(path).nodes[id]?.name, readRuntime(path).nodes[id]?.trust], ['b', 'revoked']);
});

onEachEngine('a copy that cannot be written is tried again', async (t, open) => {
  const { store, file, clock, path, home } = await runtimeOfOne(t, open);
  rmSync(home, { recursive: true });
  await store.write((tx) => changeGrant(tx, DEVICE, '["a"]'));
  clock.advance(LIMITS.runtimeFileMs);
  await file.idle();
  assert.equal(existsSync(path), false);
  await assert.rejects(file.write());
  mkdirSync(home);
  clock.advance(LIMITS.runtimeFileLongestMs);
  await file.idle();
  assert.equal(readRuntime(path).nodes[DEVICE]?.granted_json, '["a"]');
});

onEachEngine('the rest of a copy that a killed daemon was writing goes', async (t, open) => {
  const { home, open: openRuntime } = runtimeHome(t);
  writeFileSync(join(home, 'node-runtime.v1.json.0123456789ab.tmp'), '{"half');
  writeFileSync(join(home, 'daemon.json.tmp'), 'not ours');
  await openRuntime(await open(t));
  assert.deepEqual(readdirSync(home), ['daemon.json.tmp']);
});
