// A server that goes away in the middle, on real connections.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../../src/kernel/clock.ts';
import { openPostgresStore } from '../../../src/store/postgres.ts';
import type { Store } from '../../../src/store/store.ts';
import { CuttingProxy } from '../../support/cutting-proxy.ts';
import { NO_POSTGRES, QUIET, sharedPostgres } from '../../support/engines.ts';
import { PostgresServer } from '../../support/postgres.ts';

const SKIP = { skip: NO_POSTGRES };

async function open(t: TestContext, url: string, limits: { statementMs?: number } = {}): Promise<Store> {
  const store = await openPostgresStore({ url, clock: systemClock, log: QUIET, ...limits });
  t.after(() => store.close());
  return store;
}

const add = (store: Store, key: string) =>
  store.write((tx) => tx.insertInto('meta').values({ key, value: 'v' }).execute());
/** Runs wrong when it runs twice. */
const count = (store: Store) =>
  store.write((tx) =>
    tx
      .updateTable('operators')
      .set((eb) => ({ created_at_unix_ms: eb('created_at_unix_ms', '+', 1) }))
      .execute(),
  );
const counted = async (store: Store) => (await store.reader.selectFrom('operators').selectAll().execute())[0];
const keys = async (store: Store) => {
  const rows = await store.reader
    .selectFrom('meta')
    .select('key')
    .where('key', 'not like', '%:%')
    .orderBy('key')
    .execute();
  return rows.map(({ key }) => key);
};

async function throughProxy(t: TestContext): Promise<{ store: Store; proxy: CuttingProxy }> {
  const server = await sharedPostgres();
  const proxy = await CuttingProxy.to(server.port);
  const url = server.url(await server.database()).replace(`:${server.port}/`, `:${proxy.port}/`);
  const store = await open(t, url);
  t.after(() => proxy.close());
  await store.write((tx) =>
    tx
      .insertInto('operators')
      .values({
        operator_id: 'a',
        name: 'a',
        role: 'admin',
        secret_sha256: '',
        scopes_json: null,
        created_by: '',
        created_at_unix_ms: 0,
        expires_at_unix_ms: null,
        revoked_at_unix_ms: null,
        last_used_at_unix_ms: null,
      })
      .execute(),
  );
  return { store, proxy };
}

for (const cut of ['before', 'after'] as const) {
  test(`a commit whose answer is lost happens exactly once: cut ${cut} the server heard of it`, SKIP, async (t) => {
    const { store, proxy } = await throughProxy(t);
    for (let round = 1; round <= 5; round += 1) {
      proxy.cutNext(cut);
      await Promise.all([count(store), add(store, `key-${round}`)]);
      assert.equal((await counted(store))?.created_at_unix_ms, round);
    }
    assert.equal(proxy.cuts, 5);
    assert.equal((await keys(store)).length, 5);
  });
}

test('a server that is away refuses, and serves again when it is back, in the same process', SKIP, async (t) => {
  const server = await PostgresServer.start();
  t.after(() => server.destroy());
  const store = await open(t, server.url(await server.database()));
  await add(store, 'before');
  await server.stop();
  await assert.rejects(add(store, 'away'), { code: 'store_unavailable', retry: 'transient' });
  await assert.rejects(keys(store), { code: 'store_unavailable' });
  await server.again();
  await add(store, 'back');
  assert.deepEqual(await keys(store), ['back', 'before']);
});

test('a restart between two calls is not noticed', SKIP, async (t) => {
  const server = await PostgresServer.start();
  t.after(() => server.destroy());
  const store = await open(t, server.url(await server.database()));
  for (const key of ['a', 'b', 'c']) {
    await add(store, key);
    await keys(store);
    await server.stop();
    await server.again();
  }
  assert.deepEqual(await keys(store), ['a', 'b', 'c']);
});

test('a server killed under load keeps every answered write and none that was refused', SKIP, async (t) => {
  const server = await PostgresServer.start();
  t.after(() => server.destroy());
  const store = await open(t, server.url(await server.database()));
  const answered = new Set<string>();
  const refused = new Map<string, string>();
  let going = true;
  const writer = async (name: string): Promise<void> => {
    for (let at = 0; going; at += 1) {
      const key = `${name}-${at}`;
      await add(store, key).then(
        () => answered.add(key),
        async (cause: Error) => {
          refused.set(key, cause.message);
          await sleep(2);
        },
      );
    }
  };
  const writers = ['a', 'b', 'c', 'd'].map(writer);
  for (let round = 0; round < 3; round += 1) {
    const goal = answered.size + 50;
    while (answered.size < goal) await sleep(2);
    await server.kill();
    await server.again();
  }
  const goal = answered.size + 50;
  while (answered.size < goal) await sleep(2);
  going = false;
  await Promise.all(writers);
  const kept = new Set(await keys(store));
  assert.deepEqual(
    [...answered].filter((key) => !kept.has(key)),
    [],
  );
  const unsure = [...refused].filter(([key]) => kept.has(key));
  assert.deepEqual(unsure, []);
  t.diagnostic(`${answered.size} answered, ${refused.size} refused over 3 kills`);
});

test('a backend that is frozen is given up, and the next call has another', SKIP, async (t) => {
  const server = await sharedPostgres();
  const store = await open(t, server.url(await server.database()), { statementMs: 500 });
  await add(store, 'a');
  const [row] = await server.query(
    "select pid from pg_stat_activity where query = 'commit' and application_name = 'palyra' order by state_change desc limit 1",
  );
  const pid = Number(row?.['pid']);
  process.kill(pid, 'SIGSTOP');
  try {
    await add(store, 'b');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  assert.deepEqual(await keys(store), ['a', 'b']);
});
