// Several daemons on one database, and what stands between.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../src/kernel/clock.ts';
import type { DeviceId, SessionId } from '../../../src/kernel/ids.ts';
import { findSession, openSession } from '../../../src/store/node-sessions.ts';
import { chargeTry, insertPairingCode } from '../../../src/store/pairing-codes.ts';
import { openPostgresStore } from '../../../src/store/postgres.ts';
import { NO_POSTGRES, QUIET, sharedPostgres } from '../../support/engines.ts';
import { Pgbouncer, POOLER_PATH } from '../../support/pgbouncer.ts';
import { skipUnless } from '../../support/require.ts';
import { newCode } from '../../support/store-rows.ts';

const SKIP = { skip: NO_POSTGRES };
const NO_POOLER =
  NO_POSTGRES ||
  skipUnless(
    POOLER_PATH.some((folder) => existsSync(join(folder, 'pgbouncer'))),
    'needs pgbouncer: apt-get install pgbouncer',
  );
const DEVICE = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as DeviceId;
const openAt = (url: string) => openPostgresStore({ url, clock: systemClock, log: QUIET });

test('daemons that start at once on an empty database make its tables once', SKIP, async () => {
  const server = await sharedPostgres();
  const database = await server.database();
  const stores = await Promise.all(Array.from({ length: 5 }, () => openAt(server.url(database))));
  assert.deepEqual(await server.query('select name from kysely_migration', database), [{ name: '001-initial' }]);
  await Promise.all(stores.map((store) => store.close()));
  assert.deepEqual(await server.query('select * from meta', database), []);
});

test('a database of a newer version is refused and stays as it is', SKIP, async () => {
  const server = await sharedPostgres();
  const database = await server.database();
  await (await openAt(server.url(database))).close();
  await server.query(`insert into kysely_migration values ('999-later', 'now'); drop table operators`, database);
  await assert.rejects(openAt(server.url(database)), { code: 'database_newer' });
  assert.deepEqual(await server.query(`select tablename from pg_tables where tablename = 'operators'`, database), []);
});

test('of a code with five tries two daemons give away five', SKIP, async (t) => {
  const server = await sharedPostgres();
  const url = server.url(await server.database());
  const [one, two] = await Promise.all([openAt(url), openAt(url)]);
  t.after(() => Promise.all([one.close(), two.close()]));
  await one.write((tx) => insertPairingCode(tx, newCode('a', { tries_left: 5, expires_at_unix_ms: 1_000 })));
  const tries = await Promise.all(
    Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? one : two).write((tx) => chargeTry(tx, 'a', 1, 500))),
  );
  const left = tries.flatMap((one) => (one === undefined ? [] : [one.triesLeft]));
  assert.deepEqual(
    left.sort((a, b) => a - b),
    [0, 1, 2, 3, 4],
  );
});

test('sessions opened by several daemons at once have an order', SKIP, async (t) => {
  const server = await sharedPostgres();
  const url = server.url(await server.database());
  const stores = await Promise.all([openAt(url), openAt(url), openAt(url)]);
  t.after(() => Promise.all(stores.map((store) => store.close())));
  const session = (daemon: number, at: number) => ({
    device_id: DEVICE,
    session_id: `${daemon}-${at}` as SessionId,
    daemon_id: String(daemon),
    boot_id: '',
    ledger_id: '',
    instance_json: '{}',
    remote_address: '',
    connected_at_unix_ms: at,
  });
  const epochs = await Promise.all(
    stores.flatMap((store, daemon) =>
      Array.from({ length: 10 }, (_, at) => store.write((tx) => openSession(tx, session(daemon, at)))),
    ),
  );
  assert.deepEqual(
    epochs.sort((a, b) => a - b),
    Array.from({ length: 30 }, (_, at) => at + 1),
  );
  assert.equal((await findSession(stores[0].reader, DEVICE))?.epoch, 30);
});

test('writers that lock the same rows in opposite order both get their way', SKIP, async (t) => {
  const server = await sharedPostgres();
  const url = server.url(await server.database());
  const stores = await Promise.all([openAt(url), openAt(url)]);
  t.after(() => Promise.all(stores.map((store) => store.close())));
  const keys = ['a', 'b'];
  await stores[0].write((tx) =>
    tx
      .insertInto('meta')
      .values(keys.map((key) => ({ key, value: '' })))
      .execute(),
  );
  // Each has its first row before either asks for its second one: the server must end one of them.
  let inside = 0;
  let both: () => void = () => undefined;
  const met = new Promise<void>((resolve) => {
    both = resolve;
  });
  await Promise.all(
    stores.map((store, at) =>
      store.write(async (tx) => {
        const order = at === 0 ? keys : keys.toReversed();
        for (const key of order) {
          await tx
            .updateTable('meta')
            .set({ value: String(at) })
            .where('key', '=', key)
            .execute();
          inside += 1;
          if (inside === 2) both();
          await met;
        }
      }),
    ),
  );
  assert.ok(inside > 4, 'no write had to run again');
});

test('all of it works through a pooler that gives each transaction another session', { skip: NO_POOLER }, async (t) => {
  const server = await sharedPostgres();
  const database = await server.database();
  const pooler = await Pgbouncer.before(server, database, 3);
  const stores = await Promise.all([openAt(pooler.url), openAt(pooler.url)]);
  t.after(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await pooler.stop();
  });
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(
      stores.flatMap((store, at) => [
        store.write((tx) =>
          tx
            .insertInto('meta')
            .values({ key: `${at}-${round}`, value: '' })
            .execute(),
        ),
        ...Array.from({ length: 4 }, () => store.reader.selectFrom('meta').selectAll().execute()),
      ]),
    );
  }
  const rows = await stores[0].reader.selectFrom('meta').select('key').where('key', 'not like', '%:%').execute();
  assert.equal(rows.length, 40);
  assert.deepEqual(await server.query("select * from pg_locks where locktype = 'advisory'"), []);
});
