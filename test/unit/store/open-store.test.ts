import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { makeLogger } from '../../../src/kernel/log.ts';
import { databasePath, openStore } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { QUIET } from '../../support/engines.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { skipUnless } from '../../support/require.ts';

const START = Date.UTC(2026, 10, 25, 12);
// What it reports at error level is expected here.
const SILENT = makeLogger({ level: 'error', component: 'test', fd: openSync('/dev/null', 'w') });

function homeOf(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'palyra-open-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

const open = (home: string) => openStore({ home, clock: new FakeClock(START), log: SILENT });
const put = (store: Store, key: string, value = 'v') =>
  store.write((tx) => tx.insertInto('meta').values({ key, value }).execute());
const count = async (store: Store) => (await store.reader.selectFrom('meta').select('key').execute()).length;

/** A closed database with enough rows to have many pages. */
async function filled(home: string): Promise<string> {
  const { store } = await open(home);
  await Promise.all(Array.from({ length: 500 }, (_, at) => put(store, `key-${at}`, 'x'.repeat(100))));
  await store.close();
  return databasePath(home);
}

function overwrite(path: string, at: number, bytes: Buffer): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

test('the file is made private, and found again', async (t) => {
  const home = homeOf(t);
  const path = await filled(home);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const { store, setAside } = await open(home);
  assert.equal(setAside, undefined);
  assert.equal(await count(store), 500);
  await store.close();
});

const PAGE = 4096;
const damages: Record<string, (path: string) => void> = {
  'a header that is none': (path) => overwrite(path, 0, Buffer.from('not a database')),
  'another file in its place': (path) => writeFileSync(path, 'words, but no database. '.repeat(400)),
  'a page that was half written': (path) => {
    for (let page = 20; page < statSync(path).size / PAGE; page += 1)
      overwrite(path, page * PAGE, Buffer.alloc(PAGE / 2));
  },
  'an end that is cut off': (path) => truncateSync(path, statSync(path).size - 5 * PAGE),
  'a file that is gone beside its log': (path) => {
    writeFileSync(`${path}-wal`, readFileSync(path).subarray(0, 8192));
    rmSync(path);
  },
};

for (const [what, damage] of Object.entries(damages)) {
  test(`damage is set aside whole and reported: ${what}`, async (t) => {
    const home = homeOf(t);
    const path = await filled(home);
    damage(path);
    const before = content(path, '');
    const log = content(path, '-wal');
    const { store, setAside } = await open(home);
    assert.equal(setAside, `${path}.damaged-20261125T120000Z`);
    assert.equal(content(setAside, ''), before);
    if (log !== undefined) assert.equal(content(setAside, '-wal'), log);
    assert.equal(await count(store), 0);
    await store.close();
  });
}

/** Hash of a file of the set; undefined: there is none. */
const content = (path: string, suffix: string): string | undefined =>
  existsSync(path + suffix)
    ? createHash('sha256')
        .update(readFileSync(path + suffix))
        .digest('hex')
    : undefined;

test('an earlier damaged file is never overwritten', async (t) => {
  const home = homeOf(t);
  for (const text of ['one', 'two', 'three']) {
    writeFileSync(databasePath(home), text.padEnd(5000, '.'));
    await (await open(home)).store.close();
  }
  const kept = readdirSync(home)
    .filter((name) => name.includes('.damaged-'))
    .sort();
  assert.deepEqual(
    kept.map((name) => readFileSync(join(home, name), 'utf8').replace(/\.+$/, '')),
    ['one', 'two', 'three'],
  );
});

test('a log that a killed daemon left is read, not taken for damage', async (t) => {
  const home = homeOf(t);
  const { store } = await open(home);
  await put(store, 'in the log');
  const copy = homeOf(t);
  for (const suffix of ['', '-wal', '-shm']) copyFileSync(databasePath(home) + suffix, databasePath(copy) + suffix);
  await store.close();
  const again = await open(copy);
  assert.equal(again.setAside, undefined);
  assert.equal(await count(again.store), 1);
  await again.store.close();
});

test('a database of a newer version is refused, and not a byte of it changes', async (t) => {
  const home = homeOf(t);
  const path = await filled(home);
  const db = new DatabaseSync(path);
  db.exec("insert into kysely_migration values ('999-later', 'now')");
  db.close();
  const before = readFileSync(path);
  await assert.rejects(open(home), { code: 'database_newer', hint: /newer version/ });
  assert.ok(readFileSync(path).equals(before));
  assert.deepEqual(
    readdirSync(home).filter((name) => name.includes('damaged')),
    [],
  );
});

const canMount = process.platform === 'linux' && process.geteuid?.() === 0;
test('a full disk is told, takes nothing with it, and heals', {
  skip: skipUnless(canMount, 'mounts a tmpfs: needs root on Linux'),
}, async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'palyra-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=700', 'tmpfs', home]);
  t.after(() => {
    execFileSync('umount', ['--lazy', home]);
    rmSync(home, { recursive: true });
  });
  const { store } = await openStore({ home, clock: new FakeClock(START), log: QUIET });
  let kept = 0;
  const failure = await (async () => {
    for (let at = 0; at < 100; at += 1) {
      await put(store, `key-${at}`, 'x'.repeat(100_000));
      kept += 1;
    }
  })().catch((cause: unknown) => cause as Error & { code?: string });
  assert.equal(failure?.code, 'disk_full');
  assert.equal(await count(store), kept);
  await assert.rejects(Promise.all([put(store, 'a', 'x'.repeat(500_000)), put(store, 'b', 'y'.repeat(500_000))]), {
    code: 'disk_full',
  });
  execFileSync('mount', ['-o', 'remount,size=8m', home]);
  await put(store, 'healed', 'x'.repeat(100_000));
  assert.equal(await count(store), kept + 1);
  await store.close();
  const again = await openStore({ home, clock: new FakeClock(START), log: QUIET });
  assert.equal(await count(again.store), kept + 1);
  await again.store.close();
});
