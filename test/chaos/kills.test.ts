// Nothing lost: daemon and node are killed at random under load, and every accepted request ends in one truthful state.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/kernel/clock.ts';
import { ExecLoad } from '../support/exec-load.ts';
import { rounds } from '../support/long.ts';
import { PairedFleet } from '../support/paired-fleet.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const KILLS = Number(process.env['PALYRA_CHAOS_KILLS'] ?? rounds(300, 3_000));
const SEED = Number(process.env['PALYRA_CHAOS_SEED'] ?? Date.now() % 1_000_000);

test(`${KILLS} kills of daemon and node under load: one end each, nothing runs twice, no success is lost`, async (t) => {
  t.diagnostic(`seed ${SEED}; again with PALYRA_CHAOS_SEED=${SEED}`);
  const random = new SeededRandom(SEED);
  const fleet = await PairedFleet.start(t);
  const file = join(fleet.readRoot, 'ran');
  writeFileSync(file, '');
  const load = new ExecLoad({ client: () => fleet.client(), node: fleet.name, file, inFlight: 8 });
  load.start();
  const killed = { daemon: 0, node: 0 };
  for (let kill = 0; kill < KILLS; kill += 1) {
    // Sometimes right into a start, sometimes into full work.
    await systemClock.sleep(random.between(0, 3) === 0 ? random.between(0, 100) : random.between(200, 900));
    if (random.next() < 0.5) {
      killed.daemon += 1;
      await fleet.daemon?.stop('SIGKILL');
      await fleet.startDaemon();
    } else {
      killed.node += 1;
      await fleet.stopNode('SIGKILL');
      fleet.spawnNode();
    }
  }
  await fleet.untilPresence('online');
  await load.finish(120_000);
  t.diagnostic(`killed ${JSON.stringify(killed)}; accepted ${load.accepted}; ended ${JSON.stringify(load.counts())}`);
  assert.deepEqual(load.contradictions().slice(0, 10), []);
  const counts = load.counts();
  assert.equal(
    Object.values(counts).reduce((sum, count) => sum + count, 0),
    load.accepted,
  );
  assert.ok((counts['succeeded'] ?? 0) > KILLS / 4, 'the load did work between the kills');
});
