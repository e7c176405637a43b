// What a write leaves when the disk is full, or its process is killed in the middle.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { linuxFiles } from '../../../../src/capabilities/files/linux-files.ts';
import { isPendingName } from '../../../../src/capabilities/files/pending-name.ts';
import { folderJournal, sweepWrites } from '../../../../src/capabilities/files/write-journal.ts';
import { filesystemWrite } from '../../../../src/capabilities/filesystem-write.ts';
import { testFolder, testRun } from '../../../support/capability-context.ts';
import { skipUnless } from '../../../support/require.ts';

const skip = skipUnless(process.platform === 'linux', 'the form for Linux');
const asRoot = skipUnless(process.geteuid?.() === 0, 'needs root to mount a small disk');

async function* bytes(size: number): AsyncGenerator<Buffer> {
  for (let left = size; left > 0; left -= 65_536) yield Buffer.alloc(Math.min(left, 65_536), 'n');
}

test('a full disk leaves the old file whole and nothing else', { skip: skip || asRoot }, async (t) => {
  const base = testFolder(t);
  const root = join(base, 'small');
  mkdirSync(root);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', root]);
  try {
    const path = join(root, 'f');
    writeFileSync(path, 'old');
    const capability = filesystemWrite(linuxFiles([]), folderJournal(join(base, 'journal')));
    const input = capability.input.parse({ path });
    for (const [policy, size] of [
      [{ min_free_bytes: 0 }, 2 ** 21],
      [{ min_free_bytes: 2 ** 20 }, 2 ** 16],
    ] as const) {
      const rules = capability.prepare({ roots: [root], ...policy });
      await assert.rejects(capability.execute(input, rules, testRun({ stdin: bytes(size) }).context), {
        code: 'disk_full',
      });
      assert.deepEqual(readdirSync(root), ['f']);
      assert.equal(readFileSync(path, 'utf8'), 'old');
    }
    const rules = capability.prepare({ roots: [root], min_free_bytes: 0 });
    await capability.execute(input, rules, testRun({ stdin: bytes(2 ** 19) }).context);
    assert.equal(readFileSync(path).length, 2 ** 19, 'what fits is written');
    assert.deepEqual(readdirSync(join(base, 'journal')), []);
  } finally {
    execFileSync('umount', ['-l', root]);
  }
});

// Writes half of a file, says so, and waits to be killed.
const VICTIM = `
import { linuxFiles } from '${import.meta.resolve('../../../../src/capabilities/files/linux-files.ts')}';
import { folderJournal } from '${import.meta.resolve('../../../../src/capabilities/files/write-journal.ts')}';
import { filesystemWrite } from '${import.meta.resolve('../../../../src/capabilities/filesystem-write.ts')}';
const [root, journal] = process.argv.slice(1);
const capability = filesystemWrite(linuxFiles([]), folderJournal(journal));
async function* stdin() {
  yield Buffer.from('half');
  yield Buffer.from('half');
  process.stdout.write('written');
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}
const context = { stdin: stdin(), signal: new AbortController().signal, clock: { monotonic: () => 0 } };
await capability.execute(capability.input.parse({ path: root + '/f' }), capability.prepare({ roots: [root] }), context);
`;

test('kill -9 in the middle leaves the old file, and the next start removes the rest', {
  skip,
  timeout: 30_000,
}, async (t) => {
  const base = testFolder(t);
  const root = join(base, 'root');
  const journal = join(base, 'journal');
  mkdirSync(root);
  writeFileSync(join(root, 'f'), 'old');
  const args = ['--input-type=module', '-e', VICTIM, root, journal];
  const victim = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(victim.stdout, 'data');
  victim.kill('SIGKILL');
  await once(victim, 'exit');
  assert.equal(readFileSync(join(root, 'f'), 'utf8'), 'old');
  const [left = ''] = readdirSync(root).filter((name) => name !== 'f');
  assert.ok(isPendingName(left), left);
  assert.deepEqual(await sweepWrites(journal), { removed: [join(root, left)], left: [] });
  assert.deepEqual(readdirSync(root), ['f']);
  assert.deepEqual(readdirSync(journal), []);
  assert.deepEqual(await sweepWrites(journal), { removed: [], left: [] });
});

test('the sweep removes nothing that is not ours, whatever stands in its records', { skip }, async (t) => {
  const base = testFolder(t);
  const journal = join(base, 'journal');
  mkdirSync(journal);
  writeFileSync(join(base, 'precious'), 'x');
  const name = (digit: string): string => `.palyra-write-${digit.repeat(32)}`;
  writeFileSync(join(journal, name('1')), join(base, 'precious'));
  writeFileSync(join(journal, name('2')), join(base, 'gone', name('2')));
  writeFileSync(join(journal, name('3')), '');
  writeFileSync(join(journal, 'notes'), join(base, 'precious'));
  writeFileSync(join(base, name('4')), 'x');
  writeFileSync(join(journal, name('4')), join(base, name('4')));
  symlinkSync(join(base, 'precious'), join(base, name('5')));
  writeFileSync(join(journal, name('5')), join(base, name('5')));
  const swept = await sweepWrites(journal);
  assert.deepEqual([swept.removed.toSorted(), swept.left], [[join(base, name('4')), join(base, name('5'))], []]);
  assert.ok(existsSync(join(base, 'precious')));
  assert.deepEqual(readdirSync(journal), ['notes']);
  assert.deepEqual(await sweepWrites(join(base, 'none')), { removed: [], left: [] });
});
