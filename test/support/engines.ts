// Tests of repositories run on both databases: SQLite always, PostgreSQL where its programs are.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { systemClock } from '../../src/kernel/clock.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import { openPostgresStore } from '../../src/store/postgres.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { PostgresServer, postgresPrograms } from './postgres.ts';
import { skipUnless } from './require.ts';

export const QUIET = makeLogger({ level: 'error', component: 'test' });
export const NO_POSTGRES = skipUnless(
  postgresPrograms() !== undefined,
  'needs initdb and postgres: apt-get install postgresql',
);

export interface StoreHooks {
  readonly onCommit?: (writes: number) => void;
}

/** Opens an empty store that is closed and gone after the test. */
export type OpenStore = (t: TestContext, hooks?: StoreHooks) => Promise<Store>;

const onSqlite: OpenStore = async (t, hooks = {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'palyra-store-'));
  const store = await openSqliteStore({ path: join(folder, 'a.db'), ...hooks });
  t.after(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  return store;
};

let server: Promise<PostgresServer> | undefined;

/** The server that the tests of this file share. */
export function sharedPostgres(): Promise<PostgresServer> {
  server ??= PostgresServer.start();
  return server;
}
after(async () => {
  await (await server)?.destroy();
});

const onPostgres: OpenStore = async (t, hooks = {}) => {
  const shared = await sharedPostgres();
  const url = shared.url(await shared.database());
  const store = await openPostgresStore({ url, clock: systemClock, log: QUIET, ...hooks });
  t.after(() => store.close());
  return store;
};

/** One test of each engine. */
export function onEachEngine(name: string, run: (t: TestContext, open: OpenStore) => Promise<void>): void {
  test(`sqlite: ${name}`, (t) => run(t, onSqlite));
  test(`postgres: ${name}`, { skip: NO_POSTGRES }, (t) => run(t, onPostgres));
}
