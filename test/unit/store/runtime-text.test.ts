import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { restoreNodeRuntimeState } from '../../../src/store/restore-node-runtime.ts';
import type { PersistedNodeRuntimeState } from '../../../src/store/runtime-state.ts';
import { parseRuntimeText, runtimeText } from '../../../src/store/runtime-text.ts';
import type { Executor, Store } from '../../../src/store/store.ts';
import { onEachEngine } from '../../support/engines.ts';
import { fleets } from '../../support/fleet.ts';

const NOW = 1_000_000;
const options = {
  daemonId: 'daemon-1',
  nowUnixMs: NOW,
  withRequests: true,
  longestBytes: 1e9,
  onOmitted: () => undefined,
};

async function textOf(db: Executor, more: Partial<typeof options> = {}): Promise<string> {
  let text = '';
  for await (const piece of runtimeText(db, { ...options, ...more })) text += piece;
  return text;
}

async function empty(store: Store): Promise<void> {
  const tables = [
    'devices',
    'certificates',
    'node_sessions',
    'pairing_codes',
    'pairing_requests',
    'approvals',
    'capability_requests',
  ] as const;
  await store.write(async (tx) => {
    for (const table of tables) await tx.deleteFrom(table).execute();
  });
}

onEachEngine('any fleet comes back from its file as it was', async (t, open) => {
  const store = await open(t);
  await fc.assert(
    fc.asyncProperty(fleets, async (fleet) => {
      await empty(store);
      const counts = await restoreNodeRuntimeState(store, fleet);
      assert.equal(counts === undefined, false);
      const text = await textOf(store.reader);
      const read = parseRuntimeText(text, 'file');
      assert.deepEqual(plain(read), plain(fleet));
      await empty(store);
      await restoreNodeRuntimeState(store, read);
      assert.equal(await textOf(store.reader), text);
    }),
    { numRuns: store.dialect === 'sqlite' ? 100 : 25 },
  );
});

/** Rows of a driver have other prototypes. */
const plain = (state: PersistedNodeRuntimeState): unknown => JSON.parse(JSON.stringify(state));

onEachEngine('a database with a fleet of its own is not touched', async (t, open) => {
  const store = await open(t);
  const [first, second] = fc.sample(
    fleets.filter(({ nodes }) => Object.keys(nodes).length > 0),
    { numRuns: 2, seed: 1 },
  );
  assert.ok(first !== undefined && second !== undefined);
  assert.notEqual(await restoreNodeRuntimeState(store, first), undefined);
  const before = await textOf(store.reader);
  assert.equal(await restoreNodeRuntimeState(store, second), undefined);
  assert.equal(await textOf(store.reader), before);
});

onEachEngine('a fleet that does not fit leaves nothing behind', async (t, open) => {
  const store = await open(t);
  const [fleet] = fc.sample(
    fleets.filter(({ nodes }) => Object.keys(nodes).length > 1),
    { numRuns: 1, seed: 2 },
  );
  assert.ok(fleet !== undefined);
  const twins = Object.fromEntries(
    Object.entries(fleet.nodes).map(([id, node]) => [id, { ...node, spki_sha256: 'one' }]),
  );
  await assert.rejects(restoreNodeRuntimeState(store, { ...fleet, nodes: twins }));
  assert.deepEqual(await store.reader.selectFrom('devices').select('device_id').execute(), []);
});

const [SAMPLE] = fc.sample(
  fleets.filter((fleet) =>
    [fleet.nodes, fleet.capability_requests, fleet.pairing_requests].every((map) => Object.keys(map).length > 0),
  ),
  { numRuns: 1, seed: 3 },
);

onEachEngine('any byte that was changed, and any end that is missing, is noticed', async (t, open) => {
  const store = await open(t);
  assert.ok(SAMPLE !== undefined);
  await restoreNodeRuntimeState(store, SAMPLE);
  const whole = Buffer.from(await textOf(store.reader));
  const damaged = (bytes: Buffer): void => {
    // A version that became a higher one is refused for that.
    assert.throws(() => parseRuntimeText(bytes.toString(), 'file'), { code: /database_(damaged|newer)/ });
  };
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ flip;
      damaged(bytes);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.nat(whole.length - 1), (length) => damaged(whole.subarray(0, length))),
    { numRuns: 200 },
  );
  for (const junk of ['', '{}', 'null', '[]', '"text"', '{"schema_version":1}', `${whole.toString()}x`])
    damaged(Buffer.from(junk));
});

test('a newer file is refused for what it is, whatever else it holds', () => {
  for (const text of ['{"schema_version":2}', '{"schema_version":2,"nodes":[],"more":1}\n']) {
    assert.throws(() => parseRuntimeText(text, '/home/node-runtime.v1.json'), {
      code: 'database_newer',
      message: /schema 2/,
      hint: /newer version/,
    });
  }
});

onEachEngine('requests are in it only when asked for, and only as far as there is room', async (t, open) => {
  const store = await open(t);
  assert.ok(SAMPLE !== undefined);
  await restoreNodeRuntimeState(store, SAMPLE);
  const requests = Object.keys(SAMPLE.capability_requests).length;
  const without = await textOf(store.reader, { withRequests: false });
  assert.deepEqual(parseRuntimeText(without, 'file').capability_requests, {});
  let omitted = 0;
  const tight = await textOf(store.reader, {
    longestBytes: without.length,
    onOmitted: (count: number) => void (omitted = count),
  } as never);
  assert.equal(omitted, requests);
  assert.deepEqual(parseRuntimeText(tight, 'file').capability_requests, {});
  assert.equal(Object.keys(parseRuntimeText(await textOf(store.reader), 'file').capability_requests).length, requests);
});
