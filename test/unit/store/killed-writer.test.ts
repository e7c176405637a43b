import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../../src/kernel/clock.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { NO_POSTGRES, QUIET, sharedPostgres } from '../../support/engines.ts';

const WRITER = join(import.meta.dirname, '../../support/store-writer.ts');
const KILLS = 5;
const DEADLINE_MS = 60_000;

/** Writes from `from` on until `acks` are told, then dies by SIGKILL. Returns what was told. */
async function killedAfter(home: string, args: readonly string[], from: number, acks: number): Promise<number[]> {
  const child = spawn(process.execPath, [WRITER, ...args, String(from)], {
    env: { ...process.env, HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  const told: number[] = [];
  const lines = createInterface(child.stdout);
  lines.on('line', (line) => {
    told.push(Number(line));
    if (told.length === acks) child.kill('SIGKILL');
  });
  await Promise.all([once(lines, 'close'), once(child, 'exit')]);
  assert.equal(child.signalCode, 'SIGKILL');
  return told;
}

async function dies(t: TestContext, place: (home: string) => Promise<{ args: string[]; databaseUrl?: string }>) {
  const home = mkdtempSync(join(tmpdir(), 'palyra-killed-'));
  t.after(() => rmSync(home, { recursive: true }));
  const { args, databaseUrl } = await place(home);
  const told = new Set<number>();
  for (let kill = 1; kill <= KILLS; kill += 1) {
    for (const at of await killedAfter(home, args, kill * 100_000, 37 * kill)) told.add(at);
    const { store, setAside } = await openStore({ home, databaseUrl, clock: systemClock, log: QUIET });
    assert.equal(setAside, undefined);
    const rows = await store.reader.selectFrom('meta').select('key').where('key', 'like', '%-%').execute();
    await store.close();
    const sides = Map.groupBy(rows, ({ key }) => Number(key.split('-')[0]));
    const halves = [...sides].filter(([, found]) => found.length !== 2);
    assert.deepEqual(halves, [], 'a write is there in part');
    const lost = [...told].filter((at) => !sides.has(at));
    assert.deepEqual(lost, [], 'a write that was told is not there');
    t.diagnostic(`kill ${kill}: ${told.size} told, ${sides.size - told.size} more were committed`);
  }
}

test('sqlite: a killed writer leaves what it told, and nothing in part', (t) =>
  dies(t, async (home) => ({ args: ['sqlite', home] })));

test('postgres: a killed writer leaves what it told, and nothing in part', { skip: NO_POSTGRES }, (t) =>
  dies(t, async () => {
    const server = await sharedPostgres();
    const databaseUrl = server.url(await server.database());
    return { args: ['postgres', databaseUrl], databaseUrl };
  }),
);
