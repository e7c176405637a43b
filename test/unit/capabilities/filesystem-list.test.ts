import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { linuxFiles } from '../../../src/capabilities/files/linux-files.ts';
import { filesystemList } from '../../../src/capabilities/filesystem-list.ts';
import { filesystemStat } from '../../../src/capabilities/filesystem-stat.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { testFolder, testRun } from '../../support/capability-context.ts';
import { skipUnless } from '../../support/require.ts';

const skip = skipUnless(process.platform === 'linux', 'the form for Linux');
const files = linuxFiles([]);
const listing = filesystemList(files);
const stating = filesystemStat(files);

interface Page {
  entries: { name: string; name_base64?: string; kind: string; size_bytes: number; mode: number }[];
  next_cursor: string | null;
}

async function list(root: string, input: Record<string, unknown>): Promise<Page> {
  const rules = listing.prepare({ roots: [root] });
  const { output } = await listing.execute(listing.input.parse(input), rules, testRun().context);
  return listing.output.parse(output) as Page;
}

async function stat(root: string, input: Record<string, unknown>) {
  const rules = stating.prepare({ roots: [root] });
  const { output } = await stating.execute(stating.input.parse(input), rules, testRun().context);
  return stating.output.parse(output) as Record<string, unknown>;
}

test('a folder is listed by the bytes of its names, each with what it is, links not followed', { skip }, async (t) => {
  const root = testFolder(t);
  mkdirSync(join(root, 'sub'), { mode: 0o750 });
  writeFileSync(join(root, 'Zeta'), '12345', { mode: 0o600 });
  writeFileSync(join(root, 'ä'), '');
  symlinkSync('/etc/passwd', join(root, 'link'));
  execFileSync('mkfifo', [join(root, 'fifo')]);
  const { entries, next_cursor: next } = await list(root, { path: `${root}/` });
  assert.equal(next, null);
  assert.deepEqual(
    entries.map(({ name, kind }) => [name, kind]),
    [
      ['Zeta', 'file'],
      ['fifo', 'fifo'],
      ['link', 'symlink'],
      ['sub', 'directory'],
      ['ä', 'file'],
    ],
  );
  assert.equal(entries[0]?.size_bytes, 5);
  assert.equal(entries[0]?.mode, 0o600);
});

test('a name that is no UTF-8 comes as base64 beside its text, and reads back by it', { skip }, async (t) => {
  const root = testFolder(t);
  const name = Buffer.from([0x61, 0xff, 0xfe]);
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), 'x');
  const [entry] = (await list(root, { path: root })).entries;
  assert.equal(entry?.name_base64, name.toString('base64'));
  const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(entry?.name_base64 ?? '', 'base64')]);
  assert.equal((await stat(root, { path_base64: path.toString('base64') }))['size_bytes'], 1);
});

test('pages cover every entry once, whatever their size', { skip }, async (t) => {
  const root = testFolder(t);
  const names = Array.from({ length: 2345 }, (_, index) => `file-${String(index * 7919 + 10_000_000)}`);
  for (const name of names) writeFileSync(join(root, name), '');
  for (const limit of [1000, 77]) {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Page = await list(root, { path: root, limit, ...(cursor === null ? {} : { cursor }) });
      assert.ok(page.entries.length <= limit);
      seen.push(...page.entries.map(({ name }) => name));
      cursor = page.next_cursor;
    } while (cursor !== null);
    assert.deepEqual(seen, names.toSorted());
  }
});

test('a page of longest names stays within what an answer may have', { skip }, async (t) => {
  const root = testFolder(t);
  for (let index = 0; index < 900; index += 1) {
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.alloc(250, 0xff), Buffer.from(String(index))]), '');
  }
  let count = 0;
  let cursor: string | null = null;
  do {
    const page: Page = await list(root, { path: root, limit: 1000, ...(cursor === null ? {} : { cursor }) });
    assert.ok(Buffer.byteLength(JSON.stringify(page)) < LIMITS.outputJsonBytes);
    count += page.entries.length;
    cursor = page.next_cursor;
  } while (cursor !== null);
  assert.equal(count, 900);
});

test('a file is no folder, an empty folder has no entries, a full page at the end has no next one', {
  skip,
}, async (t) => {
  const root = testFolder(t);
  assert.deepEqual(await list(root, { path: root }), { entries: [], next_cursor: null });
  writeFileSync(join(root, 'a'), '');
  writeFileSync(join(root, 'b'), '');
  assert.equal((await list(root, { path: root, limit: 2 })).next_cursor, null);
  assert.notEqual((await list(root, { path: root, limit: 1 })).next_cursor, null);
  await assert.rejects(list(root, { path: join(root, 'a') }), { code: 'not_a_directory' });
  await assert.rejects(list(root, { path: '/etc' }), { code: 'path_outside_roots' });
});

test('stat tells what something is, a link and a FIFO too, and refuses what is outside', { skip }, async (t) => {
  const root = testFolder(t);
  writeFileSync(join(root, 'f'), '123', { mode: 0o604 });
  symlinkSync('/etc/shadow', join(root, 'link'));
  execFileSync('mkfifo', [join(root, 'fifo')]);
  const file = await stat(root, { path: join(root, 'f') });
  assert.deepEqual([file['kind'], file['size_bytes'], file['mode'], file['links']], ['file', 3, 0o604, 1]);
  assert.equal((await stat(root, { path: join(root, 'link') }))['kind'], 'symlink');
  assert.equal((await stat(root, { path: join(root, 'fifo') }))['kind'], 'fifo');
  assert.equal((await stat(root, { path: root }))['kind'], 'directory');
  await assert.rejects(stat(root, { path: join(root, 'none') }), { code: 'path_not_found' });
  await assert.rejects(stat(root, { path: join(root, 'link/x') }), { code: 'path_refused' });
  await assert.rejects(stat(root, { path: '/etc/passwd' }), { code: 'path_outside_roots' });
});
