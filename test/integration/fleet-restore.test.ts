import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PairedFleet } from '../support/paired-fleet.ts';
import { FROM_SOURCES } from '../support/run-cli.ts';

test('without its database the daemon has its fleet from node-runtime.v1.json: nobody pairs again', async (t) => {
  const fleet = await PairedFleet.start(t, { program: FROM_SOURCES });
  const folder = join(fleet.daemonHome, 'daemon');
  await fleet.daemon?.stop();
  for (const name of readdirSync(folder)) if (name.startsWith('palyra.db')) rmSync(join(folder, name));
  await fleet.startDaemon();
  await fleet.untilPresence('online');
  const back = await fleet.operator(['nodes', 'exec', fleet.name, '--', 'echo', 'back']);
  assert.equal(back.stdout.toString(), 'back\n', back.stderr);

  // A damaged file is no reason not to start, and stays to be looked at.
  await fleet.daemon?.stop();
  writeFileSync(join(folder, 'node-runtime.v1.json'), '{ damaged', { mode: 0o600 });
  await fleet.startDaemon();
  await fleet.untilPresence('online');
  assert.ok(readdirSync(folder).some((name) => name.startsWith('node-runtime.v1.json.damaged-')));
});
