import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openSqliteStore } from '../../../src/store/sqlite.ts';
import type { Store } from '../../../src/store/store.ts';

const folder = mkdtempSync(join(tmpdir(), 'palyra-store-'));
after(() => rmSync(folder, { recursive: true }));

const put = (store: Store, key: string) =>
  store.write((tx) => tx.insertInto('meta').values({ key, value: 'v' }).execute());
const keys = async (store: Store) =>
  (await store.reader.selectFrom('meta').select('key').orderBy('key').execute()).map(({ key }) => key);

test('the writes of one turn share one commit, and a bad one fails alone', async () => {
  const commits: number[] = [];
  const store = await openSqliteStore({ path: join(folder, 'a.db'), onCommit: (n) => commits.push(n) });
  await Promise.all(['a', 'b', 'c'].map((key) => put(store, key)));
  assert.deepEqual(commits, [3]);
  const fates = await Promise.allSettled([put(store, 'd'), put(store, 'a'), put(store, 'e')]);
  assert.deepEqual(
    fates.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(await keys(store), ['a', 'b', 'c', 'd', 'e']);
  assert.equal(statSync(join(folder, 'a.db')).mode & 0o777, 0o600);
  await store.close();
});

test('what a failed write did before it failed is undone', async () => {
  const store = await openSqliteStore({ path: join(folder, 'b.db') });
  const half = store.write(async (tx) => {
    await tx.insertInto('meta').values({ key: 'half', value: 'v' }).execute();
    throw new Error('on purpose');
  });
  const whole = put(store, 'whole');
  await assert.rejects(half, /on purpose/);
  await whole;
  assert.deepEqual(await keys(store), ['whole']);
  await store.close();
});

test('values that SQLite would bend are refused', async () => {
  const store = await openSqliteStore({ path: join(folder, 'c.db') });
  for (const value of [Number.NaN, new Date(), { a: 1 }]) {
    await assert.rejects(
      store.write((tx) =>
        tx
          .insertInto('meta')
          .values({ key: 'x', value: value as unknown as string })
          .execute(),
      ),
      TypeError,
    );
  }
  await store.close();
});

test('a file that is no database is told as damaged and stays as it is', async () => {
  const path = join(folder, 'd.db');
  writeFileSync(path, 'this is not a database, but long enough to look like one. '.repeat(40));
  const { size } = statSync(path);
  await assert.rejects(openSqliteStore({ path }), { code: 'database_damaged' });
  assert.equal(statSync(path).size, size);
});
