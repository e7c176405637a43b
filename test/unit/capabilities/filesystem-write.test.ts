import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { linuxFiles } from '../../../src/capabilities/files/linux-files.ts';
import { filesystemWrite } from '../../../src/capabilities/filesystem-write.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { testFolder, testRun } from '../../support/capability-context.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { rounds } from '../../support/long.ts';
import { skipUnless } from '../../support/require.ts';
import { underSwapAttack } from '../../support/swap-attack.ts';

const skip = skipUnless(process.platform === 'linux', 'the form for Linux');
const asRoot = skipUnless(process.geteuid?.() === 0, 'needs root to give files to other users');
const capability = filesystemWrite(linuxFiles([]));
const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

async function* pieces(...data: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const piece of data) yield Buffer.from(piece as string);
}

interface WriteOptions {
  readonly policy?: Record<string, unknown>;
  readonly stdin?: AsyncIterable<Buffer> | undefined;
  readonly run?: ReturnType<typeof testRun>;
  readonly writer?: typeof capability;
}

async function write(
  root: string,
  input: Record<string, unknown>,
  content: string | Buffer = 'new',
  { policy = {}, stdin = pieces(content), run, writer = capability }: WriteOptions = {},
): Promise<Record<string, unknown>> {
  const rules = writer.prepare({ roots: [root], ...policy });
  const context = { ...(run ?? testRun()).context, stdin };
  const outcome = await writer.execute(writer.input.parse(input), rules, context);
  return writer.output.parse(outcome.output) as Record<string, unknown>;
}

test('a file is made, then replaced, with what arrives as standard input', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'f');
  const { mtime_unix_ms: mtime, ...made } = await write(root, { path }, 'one');
  assert.ok(Math.abs(Number(mtime) - Date.now()) < 60_000);
  assert.deepEqual(made, { kind: 'file', size_bytes: 3, mode: 0o600, created: true, sha256: sha256('one') });
  assert.equal(readFileSync(path, 'utf8'), 'one');
  chmodSync(path, 0o640);
  const big = randomBytes(5 * LIMITS.chunkBytes + 3);
  const replaced = await write(root, { path }, '', { stdin: pieces(big.subarray(0, 7), big.subarray(7)) });
  assert.ok(readFileSync(path).equals(big));
  assert.deepEqual([replaced['created'], replaced['mode']], [false, 0o640], 'its rights stay what they were');
  await write(root, { path, mode: 0o604 }, '');
  assert.equal(statSync(path).mode & 0o7777, 0o604);
  assert.equal(statSync(path).size, 0);
  assert.deepEqual(readdirSync(root), ['f']);
});

test('the owner of a replaced file stays its owner', { skip: skip || asRoot }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'f');
  writeFileSync(path, 'old');
  chownSync(path, 65_534, 65_534);
  chownSync(root, 65_534, 65_534);
  await write(root, { path });
  assert.deepEqual([statSync(path).uid, statSync(path).gid], [65_534, 65_534]);
});

test('nothing is allowed without a root, and a root for reading is none for writing', { skip }, async (t) => {
  const root = testFolder(t);
  const rules = capability.prepare({});
  const input = capability.input.parse({ path: join(root, 'f') });
  await assert.rejects(capability.execute(input, rules, testRun({ stdin: pieces('x') }).context), {
    code: 'path_outside_roots',
  });
  assert.throws(() => capability.prepare({ roots: [root], read_roots: ['/'] }));
});

test('create_only never replaces, also not what appeared meanwhile', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'f');
  assert.equal((await write(root, { path, create_only: true }))['created'], true);
  await assert.rejects(write(root, { path, create_only: true }, 'other'), { code: 'file_exists' });
  const late = join(root, 'late');
  async function* slow(): AsyncGenerator<Buffer> {
    yield Buffer.from('mine');
    writeFileSync(late, 'theirs');
  }
  await assert.rejects(write(root, { path: late, create_only: true }, '', { stdin: slow() }), { code: 'file_exists' });
  assert.equal(readFileSync(late, 'utf8'), 'theirs');
  assert.deepEqual(readdirSync(root).sort(), ['f', 'late']);
});

test('expect_sha256 replaces only the content that was meant, at the end as at the beginning', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'f');
  const expecting = (content: string) => ({ path, expect_sha256: sha256(content).toUpperCase() });
  await assert.rejects(write(root, expecting('old')), { code: 'file_differs' });
  assert.equal(existsSync(path), false);
  writeFileSync(path, 'old');
  await assert.rejects(write(root, expecting('other')), { code: 'file_differs' });
  await write(root, expecting('old'), 'new');
  assert.equal(readFileSync(path, 'utf8'), 'new');
  async function* meddled(): AsyncGenerator<Buffer> {
    yield Buffer.from('mine');
    writeFileSync(path, 'theirs');
  }
  await assert.rejects(write(root, expecting('new'), '', { stdin: meddled() }), { code: 'file_differs' });
  assert.equal(readFileSync(path, 'utf8'), 'theirs');
});

test('of many writes that expect the same content one wins', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'f');
  writeFileSync(path, 'old');
  const tries = Array.from({ length: 20 }, (_, at) =>
    write(root, { path, expect_sha256: sha256('old') }, `by ${at}`).then(
      () => `by ${at}`,
      (error: unknown) => assert.equal((error as PalyraError).code, 'file_differs'),
    ),
  );
  const winners = (await Promise.all(tries)).filter((who) => who !== undefined);
  assert.deepEqual(winners, [readFileSync(path, 'utf8')]);
});

test('what was announced must arrive, or the file stays as it was', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'f');
  writeFileSync(path, 'old');
  for (const announced of [{ size_bytes: 2 }, { size_bytes: 4 }, { sha256: sha256('other') }]) {
    await assert.rejects(write(root, { path, ...announced }), { code: 'integrity_mismatch' });
  }
  await write(root, { path, size_bytes: 3, sha256: sha256('new') });
  assert.equal(readFileSync(path, 'utf8'), 'new');
});

test('limits: of one file, of a day, of what stays free', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'f');
  writeFileSync(path, 'old');
  await assert.rejects(write(root, { path }, 'four', { policy: { max_bytes: 3 } }), { code: 'payload_too_large' });
  await assert.rejects(write(root, { path, size_bytes: 1e12 }, ''), { code: 'payload_too_large' });
  await assert.rejects(write(root, { path }, 'x', { policy: { min_free_bytes: 2 ** 50 } }), { code: 'disk_full' });
  const clock = new FakeClock(0);
  const day = { policy: { max_day_bytes: 10 }, writer: filesystemWrite(linuxFiles([])) };
  const writeNow = (content: string) => write(root, { path }, content, { ...day, run: testRun({ clock }) });
  await writeNow('123456');
  await assert.rejects(writeNow('12345'), { code: 'too_many_requests' });
  await writeNow('1234');
  clock.advance(25 * 3_600_000);
  await writeNow('0123456789');
  assert.equal(readFileSync(path, 'utf8'), '0123456789');
  assert.deepEqual(readdirSync(root), ['f']);
});

test('an abort leaves the old file and nothing else', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'f');
  writeFileSync(path, 'old');
  const run = testRun();
  const reason = new PalyraError('cancelled', 'somebody cancelled it');
  // As it is on a node: the input of a request that was ended is over.
  async function* cut(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(1000);
    assert.equal(readdirSync(root).length, 2);
    run.abort(reason);
  }
  await assert.rejects(write(root, { path }, '', { stdin: cut(), run }), reason);
  await assert.rejects(
    write(root, { path }, '', {
      stdin: (async function* () {
        yield Buffer.from('x');
        throw reason;
      })(),
    }),
    reason,
  );
  assert.deepEqual(readdirSync(root), ['f']);
  assert.equal(readFileSync(path, 'utf8'), 'old');
});

test('without standard input there is nothing to write', { skip }, async (t) => {
  const root = testFolder(t);
  const rules = capability.prepare({ roots: [root] });
  const input = capability.input.parse({ path: join(root, 'f') });
  await assert.rejects(capability.execute(input, rules, testRun().context), { code: 'invalid_argument' });
  assert.deepEqual(readdirSync(root), []);
});

test('the input: one path, permission bits only, conditions that fit together', () => {
  const parse = (input: unknown): boolean => capability.input.safeParse(input).success;
  assert.equal(parse({ path: '/a', mode: 0o777 }), true);
  for (const input of [
    {},
    { path: '/a', mode: 0o4755 },
    { path: '/a', mode: 0o2644 },
    { path: '/a', mode: 0o1777 },
    { path: '/a', mode: -1 },
    { path: '/a', mode: '644' },
    { path: '/a', expect_sha256: 'ab' },
    { path: '/a', expect_sha256: sha256(''), create_only: true },
    { path: '/a', size_bytes: -1 },
    { path: '/a', approved: true },
    { path: '/a', path_base64: 'L2E=' },
  ]) {
    assert.equal(parse(input), false, JSON.stringify(input));
  }
});

test('files that can be executed are made and replaced only where the owner says so', { skip }, async (t) => {
  const root = testFolder(t);
  const path = join(root, 'tool');
  const policy = { executable: true };
  await assert.rejects(write(root, { path, mode: 0o755 }), { code: 'policy_denied' });
  assert.equal(existsSync(path), false);
  await write(root, { path, mode: 0o755 }, 'tool', { policy });
  assert.equal(statSync(path).mode & 0o7777, 0o755);
  await assert.rejects(write(root, { path }), { code: 'policy_denied' });
  await assert.rejects(write(root, { path, mode: 0o600 }), { code: 'policy_denied' });
  chmodSync(path, 0o4755);
  await write(root, { path }, 'again', { policy });
  assert.equal(statSync(path).mode & 0o7777, 0o755, 'setuid is not carried over to other content');
});

const codeOf = (error: unknown): string => (error instanceof PalyraError ? error.code : String(error));

test('row 49: path tricks are refused before anything is written', { skip }, async (t) => {
  const base = testFolder(t);
  const root = join(base, 'root');
  mkdirSync(join(root, 'docs'), { recursive: true });
  const refused: Record<string, string[]> = {
    path_refused: [
      `${root}/../out`,
      `${root}/docs/../../out`,
      `${root}/docs/..`,
      `${root}//out`,
      `${root}/./out`,
      `${root}/a\0b`,
    ],
    path_outside_roots: [join(base, 'out'), `${root}x`, '/etc/passwd', '/proc/self/root/tmp/x', '/dev/shm/x', '/'],
    not_a_file: [root, `${root}/docs`, `${root}/docs/`, `${root}/new/`],
    invalid_argument: ['docs/a', `${root}/${'x'.repeat(256)}`, `${root}/${'x/'.repeat(2045)}y`],
    path_not_found: [`${root}/none/f`],
  };
  for (const [code, paths] of Object.entries(refused)) {
    for (const path of paths) {
      const failure = await write(root, { path }).then(() => 'written', codeOf);
      const parsed = capability.input.safeParse({ path }).success;
      assert.equal(parsed ? failure : 'invalid_argument', code, path.slice(-40));
    }
  }
  assert.deepEqual(readdirSync(base), ['root']);
  assert.deepEqual(readdirSync(root), ['docs']);
});

test('row 49: names that are no UTF-8 are names like others', { skip }, async (t) => {
  const root = testFolder(t);
  const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x84, 0xe4, 0xff])]);
  await write(root, { path_base64: path.toString('base64') }, 'umlauts');
  assert.equal(readFileSync(path, 'utf8'), 'umlauts');
});

test('row 49: a root of everything writes nothing to the kernel, to keys, to the home of Palyra', {
  skip,
}, async (t) => {
  const base = testFolder(t);
  for (const folder of ['home/node', '.ssh', 'etc', 'tls']) mkdirSync(join(base, folder), { recursive: true });
  const writer = filesystemWrite(linuxFiles([join(base, 'home')]));
  const policy = { cross_devices: true };
  for (const path of [
    '/proc/self/comm',
    '/sys/kernel/uevent_helper',
    '/dev/null',
    '/dev/shm/x',
    join(base, 'home/node/node-policy.json'),
    join(base, 'home/x'),
    join(base, '.ssh/authorized_keys'),
    join(base, 'etc/shadow'),
    join(base, 'tls/server.pem'),
    join(base, 'tls/id_rsa'),
    join(base, `tls/.palyra-write-${'0'.repeat(32)}`),
  ]) {
    assert.equal(
      await write('/', { path }, 'x', { policy, writer }).then(() => 'written', codeOf),
      'path_refused',
      path,
    );
  }
  await write('/', { path: join(base, 'tls/server.pem') }, 'x', { policy: { allow_secrets: true }, writer });
});

test('links are refused, as the file, as its folder, and as the root; what they point to stays', {
  skip,
}, async (t) => {
  const base = testFolder(t);
  const root = join(base, 'root');
  mkdirSync(join(root, 'docs'), { recursive: true });
  mkdirSync(join(base, 'outside'));
  writeFileSync(join(base, 'secret'), 'SECRET');
  writeFileSync(join(root, 'docs/a'), 'old');
  symlinkSync(join(base, 'secret'), join(root, 'leaf'));
  symlinkSync(join(base, 'outside'), join(root, 'folder'));
  symlinkSync('docs', join(root, 'inside'));
  symlinkSync('none', join(root, 'dangling'));
  for (const path of ['leaf', 'folder/a', 'inside/a', 'dangling']) {
    await assert.rejects(write(root, { path: join(root, path) }), { code: 'path_refused' }, path);
  }
  assert.equal(readFileSync(join(base, 'secret'), 'utf8'), 'SECRET');
  assert.deepEqual(readdirSync(join(base, 'outside')), []);
  assert.equal(readFileSync(join(root, 'docs/a'), 'utf8'), 'old');
});

test('row 51: what is no file is not written to', { skip, timeout: 10_000 }, async (t) => {
  const root = testFolder(t);
  execFileSync('mkfifo', [join(root, 'fifo')]);
  const server = createServer().listen(join(root, 'sock'));
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  for (const name of ['fifo', 'sock']) {
    await assert.rejects(write(root, { path: join(root, name) }), { code: 'path_refused' }, name);
  }
  assert.deepEqual(readdirSync(root).sort(), ['fifo', 'sock']);
});

test('row 52: a hard link is cut, not written through; one to a foreign file is refused', {
  skip: skip || asRoot,
}, async (t) => {
  const base = testFolder(t);
  const root = join(base, 'root');
  mkdirSync(root);
  for (const [name, uid] of [
    ['foreign', 65_534],
    ['own', 0],
  ] as const) {
    writeFileSync(join(base, name), 'SECRET');
    chownSync(join(base, name), uid, uid);
    linkSync(join(base, name), join(root, name));
  }
  await assert.rejects(write(root, { path: join(root, 'foreign') }), { code: 'path_refused' });
  await write(root, { path: join(root, 'own') });
  assert.equal(readFileSync(join(root, 'own'), 'utf8'), 'new');
  for (const name of ['foreign', 'own']) assert.equal(readFileSync(join(base, name), 'utf8'), 'SECRET');
});

test('decide says which root admits a write, and why another is refused, without writing', { skip }, async (t) => {
  const root = testFolder(t);
  writeFileSync(join(root, 'f'), 'old');
  const rules = capability.prepare({ roots: ['/nonexistent', root] });
  const decide = (input: object) => capability.decide(capability.input.parse(input), rules);
  assert.deepEqual(await decide({ path: join(root, 'new') }), {
    allowed: true,
    rule: 'capabilities["filesystem.write"].roots[1]',
  });
  for (const [input, code] of [
    [{ path: '/etc/passwd' }, 'path_outside_roots'],
    [{ path: join(root, 'f'), create_only: true }, 'file_exists'],
    [{ path: join(root, 'f'), mode: 0o700 }, 'policy_denied'],
  ] as const) {
    const decision = await decide(input);
    assert.equal(decision.allowed === false && decision.code, code);
  }
  assert.deepEqual(readdirSync(root), ['f']);
});

const ATTACK_MS = rounds(1500, 30_000);

test('row 50: no swap of a file, its folder, or both, ever gets a write out of the root', {
  skip,
  timeout: ATTACK_MS * 8,
}, async (t) => {
  const base = testFolder(t);
  const root = join(base, 'root');
  for (const folder of ['root/docs', 'root/twin', 'outside']) mkdirSync(join(base, folder), { recursive: true });
  for (const file of ['secret', 'outside/a.txt']) writeFileSync(join(base, file), 'SECRET');
  const path = join(root, 'docs/a.txt');
  writeFileSync(path, 'old');
  symlinkSync(join(base, 'secret'), join(root, 'docs/evil'));
  symlinkSync(join(base, 'outside'), join(root, 'evil'));
  symlinkSync(join(base, 'secret'), join(root, 'twin/a.txt'));
  writeFileSync(join(root, 'twin/evil'), 'old');
  const attacks = {
    leaf: [[path, join(root, 'docs/evil'), join(root, 'docs/spare')]],
    folder: [[join(root, 'docs'), join(root, 'evil'), join(root, 'spare')]],
    double: [
      [join(root, 'docs'), join(root, 'twin'), join(root, 'spare')],
      [path, join(root, 'docs/evil'), join(root, 'docs/spare')],
    ],
  } as const;
  const rules = capability.prepare({ roots: [root], min_free_bytes: 0, max_day_bytes: 1e12 });
  for (const [name, swaps] of Object.entries(attacks)) {
    const seen = { written: 0, refused: 0 };
    const swapped = await underSwapAttack(swaps, ATTACK_MS, async () => {
      const run = testRun({ stdin: pieces('LEAK') });
      await capability.execute(capability.input.parse({ path }), rules, run.context).then(
        () => (seen.written += 1),
        (error: unknown) => {
          if (!(error instanceof PalyraError)) throw error;
          seen.refused += 1;
        },
      );
    });
    t.diagnostic(`${name}: ${swapped} swaps, ${seen.written} written, ${seen.refused} refused`);
    assert.ok(swapped > 50 && seen.written > 10 && seen.refused > 10, `it did not bite: ${JSON.stringify(seen)}`);
    for (const file of ['secret', 'outside/a.txt']) {
      assert.equal(readFileSync(join(base, file), 'utf8'), 'SECRET', `${name}: written through`);
    }
    assert.deepEqual(readdirSync(join(base, 'outside')), ['a.txt'], `${name}: left something outside`);
  }
  const left = readdirSync(root, { recursive: true }).filter((file) => String(file).includes('.palyra-write-'));
  assert.deepEqual(left, []);
});

test('row 50: the same attack gets a check of the resolved path to write outside', {
  skip,
  timeout: 30_000,
}, async (t) => {
  const base = testFolder(t);
  const root = join(base, 'root');
  for (const folder of ['root/docs', 'outside']) mkdirSync(join(base, folder), { recursive: true });
  symlinkSync(join(base, 'outside'), join(root, 'evil'));
  await underSwapAttack([[join(root, 'docs'), join(root, 'evil'), join(root, 'spare')]], 2000, async () => {
    try {
      if (realpathSync(join(root, 'docs')) !== join(root, 'docs')) return;
      writeFileSync(join(root, 'docs/a.txt'), 'LEAK');
    } catch {
      // Between two renames the name is gone.
    }
  });
  assert.deepEqual(readdirSync(join(base, 'outside')), ['a.txt'], 'the attacker is too slow to prove anything');
});
