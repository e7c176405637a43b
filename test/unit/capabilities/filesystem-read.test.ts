import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { linuxFiles } from '../../../src/capabilities/files/linux-files.ts';
import { filesystemRead } from '../../../src/capabilities/filesystem-read.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { SlowSink, testFolder, testRun } from '../../support/capability-context.ts';
import { rounds } from '../../support/long.ts';
import { skipUnless } from '../../support/require.ts';

const skip = skipUnless(process.platform === 'linux', 'the form for Linux');
const capability = filesystemRead(linuxFiles([]));
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

async function read(
  root: string,
  input: Record<string, unknown>,
  run = testRun(),
  policy: Record<string, unknown> = {},
) {
  const rules = capability.prepare({ roots: [root], ...policy });
  const outcome = await capability.execute(capability.input.parse(input), rules, run.context);
  return { run, output: capability.output.parse(outcome.output) as Record<string, unknown> };
}

test('a file arrives byte for byte, with its size, mode, time and digest', { skip }, async (t) => {
  const root = testFolder(t);
  const content = randomBytes(3 * LIMITS.chunkBytes + 17);
  writeFileSync(join(root, 'f'), content, { mode: 0o640 });
  const { run, output } = await read(root, { path: join(root, 'f') });
  assert.ok(run.stdout.bytes.equals(content));
  assert.ok(run.stdout.chunks.every(({ length }) => length <= LIMITS.chunkBytes));
  const { mtime_unix_ms: mtime, ...rest } = output;
  assert.ok(Math.abs(Number(mtime) - Date.now()) < 60_000);
  assert.deepEqual(rest, {
    kind: 'file',
    size_bytes: content.length,
    mode: 0o640,
    read_bytes: content.length,
    offset: 0,
    sha256: sha256(content),
    changed_during_read: false,
  });
});

test('ranges: from the middle, beyond the end, empty, without a digest', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'f');
  writeFileSync(path, '0123456789');
  const cases = [
    [{ offset: 3, length: 4 }, '3456'],
    [{ offset: 8, length: 100 }, '89'],
    [{ offset: 10 }, ''],
    [{ offset: 1e9, length: 5 }, ''],
    [{ length: 0 }, ''],
  ] as const;
  for (const [range, expected] of cases) {
    const { run, output } = await read(root, { path, ...range });
    assert.equal(run.stdout.text, expected);
    assert.equal(output['read_bytes'], expected.length);
    assert.equal(output['sha256'], sha256(Buffer.from(expected)));
    assert.equal(output['changed_during_read'], false);
  }
  assert.equal((await read(root, { path, sha256: false })).output['sha256'], undefined);
});

test('the input names one file in one way', () => {
  const parse = (input: unknown): boolean => capability.input.safeParse(input).success;
  assert.equal(parse({ path: '/a' }), true);
  assert.equal(parse({ path_base64: Buffer.from([0x2f, 0xff]).toString('base64') }), true);
  for (const input of [
    {},
    { path: '/a', path_base64: 'L2E=' },
    { path: '' },
    { path: '/\ud800' },
    { path: '/a', approved: true },
    { path: '/a', offset: -1 },
    { path: '/a', length: 1.5 },
    { path_base64: '%%' },
    null,
    'x',
  ]) {
    assert.equal(parse(input), false, JSON.stringify(input));
  }
});

test('a file whose name is no UTF-8 is read by its bytes', { skip }, async (t) => {
  const root = testFolder(t);
  const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x84, 0xe4, 0xff])]);
  writeFileSync(path, 'umlauts');
  const { run } = await read(root, { path_base64: path.toString('base64') });
  assert.equal(run.stdout.text, 'umlauts');
});

test('row 51: a sparse terabyte is refused at once, a range of it is read', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'sparse');
  writeFileSync(path, '');
  truncateSync(path, 2 ** 40);
  const began = performance.now();
  await assert.rejects(
    read(root, { path }),
    (error) => error instanceof PalyraError && error.code === 'payload_too_large',
  );
  assert.ok(performance.now() - began < 50, `took ${performance.now() - began} ms`);
  const { run } = await read(root, { path, offset: 2 ** 39, length: 100_000 });
  assert.ok(run.stdout.bytes.equals(Buffer.alloc(100_000)));
});

test('the owner sets how much one read may have', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'f');
  writeFileSync(path, '0123456789');
  await assert.rejects(read(root, { path }, testRun(), { max_bytes: 9 }), { code: 'payload_too_large' });
  assert.equal((await read(root, { path, length: 9 }, testRun(), { max_bytes: 9 })).run.stdout.text, '012345678');
});

test('row 51: a file that grows all the time has an end, and the answer says that it changed', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'log');
  const size = 4 * LIMITS.chunkBytes;
  writeFileSync(path, Buffer.alloc(size));
  const sink = new SlowSink(async () => appendFileSync(path, Buffer.alloc(LIMITS.chunkBytes)));
  const { output } = await read(root, { path }, testRun({ stdout: sink }));
  assert.equal(sink.bytes, size);
  assert.equal(output['changed_during_read'], true);
});

test('a file that shrinks ends early and says so', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'log');
  writeFileSync(path, Buffer.alloc(64 * LIMITS.chunkBytes));
  const sink = new SlowSink(async () => truncateSync(path, 10));
  const { output } = await read(root, { path }, testRun({ stdout: sink }));
  assert.ok(sink.bytes < 64 * LIMITS.chunkBytes);
  assert.equal(output['read_bytes'], sink.bytes);
  assert.equal(output['changed_during_read'], true);
});

test('nothing is read ahead of a sink that is full, and an abort ends the read', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'f');
  writeFileSync(path, Buffer.alloc(100 * LIMITS.chunkBytes));
  let written = 0;
  let stop: (reason: unknown) => void = () => undefined;
  const stdout = {
    write: () =>
      new Promise<void>((_, reject) => {
        written += 1;
        stop = reject;
      }),
  };
  const run = testRun({ stdout });
  const reading = read(root, { path }, run);
  for (let turn = 0; turn < 200; turn += 1) await nextTurn();
  assert.equal(written, 1, 'the second chunk waits for the first');
  const reason = new PalyraError('cancelled', 'somebody cancelled it');
  run.abort(reason);
  stop(reason);
  await assert.rejects(reading, reason);
});

test('memory stays flat while a large file goes to a slow reader', { skip, timeout: 120_000 }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'big');
  const size = rounds(128, 1024) * 2 ** 20;
  writeFileSync(path, '');
  truncateSync(path, size);
  let peak = 0;
  let count = 0;
  const sink = new SlowSink(async () => {
    count += 1;
    if (count % 64 === 0) {
      peak = Math.max(peak, process.memoryUsage.rss());
      await nextTurn();
    }
  });
  const before = process.memoryUsage.rss();
  const began = performance.now();
  const { output } = await read(root, { path }, testRun({ stdout: sink }));
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(`${(size / 2 ** 20 / seconds).toFixed(0)} MiB/s, +${((peak - before) / 2 ** 20).toFixed(0)} MiB`);
  assert.equal(sink.bytes, size);
  assert.equal(output['sha256'], sink.sha256);
  assert.ok(peak - before < 64 * 2 ** 20, `grew by ${(peak - before) / 2 ** 20} MiB`);
});

test('decide says which root admits a file, and why another is refused, without reading it', { skip }, async (t) => {
  const root = testFolder(t);
  mkdirSync(join(root, 'b'));
  writeFileSync(join(root, 'b/f'), 'x');
  const rules = capability.prepare({ roots: ['/nonexistent', join(root, 'b')] });
  const decide = (path: string) => capability.decide(capability.input.parse({ path }), rules);
  assert.deepEqual(await decide(join(root, 'b/f')), {
    allowed: true,
    rule: 'capabilities["filesystem.read"].roots[1]',
  });
  const refused = await decide('/etc/passwd');
  assert.equal(refused.allowed, false);
  assert.equal(refused.allowed === false && refused.code, 'path_outside_roots');
});
