import assert from 'node:assert/strict';
import type { Store } from '../../../src/store/store.ts';
import { onEachEngine } from '../../support/engines.ts';

const put = (store: Store, key: string, value: unknown = 'v') =>
  store.write((tx) =>
    tx
      .insertInto('meta')
      .values({ key, value: value as string })
      .execute(),
  );
/** Of the keys that a test put; a writer of PostgreSQL has a row of its own there. */
const keys = async (store: Store) => {
  const rows = await store.reader
    .selectFrom('meta')
    .select('key')
    .where('key', 'not like', '%:%')
    .orderBy('key')
    .execute();
  return rows.map(({ key }) => key);
};

onEachEngine('the writes of one turn share one commit, and a bad one fails alone', async (t, open) => {
  const commits: number[] = [];
  const store = await open(t, { onCommit: (n) => commits.push(n) });
  await Promise.all(['a', 'b', 'c'].map((key) => put(store, key)));
  assert.deepEqual(commits, [3]);
  const fates = await Promise.allSettled([put(store, 'd'), put(store, 'a'), put(store, 'e')]);
  assert.deepEqual(
    fates.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(await keys(store), ['a', 'b', 'c', 'd', 'e']);
});

onEachEngine('what a failed write did before it failed is undone', async (t, open) => {
  const store = await open(t);
  const half = store.write(async (tx) => {
    await tx.insertInto('meta').values({ key: 'half', value: 'v' }).execute();
    throw new Error('on purpose');
  });
  const whole = put(store, 'whole');
  await assert.rejects(half, /on purpose/);
  await whole;
  assert.deepEqual(await keys(store), ['whole']);
});

onEachEngine('a write sees those before it in its turn, and the reader only what is committed', async (t, open) => {
  const store = await open(t);
  const first = put(store, 'first');
  const seen = store.write(async (tx) => {
    const inside = await tx.selectFrom('meta').select('value').where('key', '=', 'first').execute();
    return { inside: inside.length, outside: (await keys(store)).length };
  });
  await first;
  assert.deepEqual(await seen, { inside: 1, outside: 0 });
  assert.deepEqual(await keys(store), ['first']);
});

onEachEngine('values that a driver would bend are refused', async (t, open) => {
  const store = await open(t);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, undefined, new Date(), { a: 1 }, ['a']]) {
    // A column that is left out is told by the database, not bound.
    if (value === undefined)
      await assert.rejects(
        store.write((tx) =>
          tx
            .updateTable('meta')
            .set({ value: {} as never })
            .execute(),
        ),
        TypeError,
      );
    else await assert.rejects(put(store, 'x', value), TypeError);
  }
  assert.deepEqual(await keys(store), []);
});

onEachEngine('text comes back as it went in; NUL, which one of them has not, is replaced on both', async (t, open) => {
  const store = await open(t);
  const texts = { quote: `'"\\%_;--`, wide: '🜂ü\u202e\ufeff', lines: 'a\r\n\tb', nul: 'a\0b', empty: '' };
  for (const [key, value] of Object.entries(texts)) await put(store, key, value);
  const rows = await store.reader.selectFrom('meta').selectAll().where('key', 'not like', '%:%').execute();
  assert.deepEqual(Object.fromEntries(rows.map(({ key, value }) => [key, value])), { ...texts, nul: 'a\uFFFDb' });
});

onEachEngine('closing waits for what was written before', async (t, open) => {
  const store = await open(t);
  const written = put(store, 'last');
  await store.close();
  await written;
  await assert.rejects(keys(store));
});
