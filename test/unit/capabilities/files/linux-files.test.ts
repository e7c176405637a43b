import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Want } from '../../../../src/capabilities/files/confined-file.ts';
import { filePolicy, prepareFileRules } from '../../../../src/capabilities/files/file-rules.ts';
import { linuxFiles } from '../../../../src/capabilities/files/linux-files.ts';
import { type ErrorCode, PalyraError } from '../../../../src/kernel/errors.ts';
import { testFolder } from '../../../support/capability-context.ts';
import { rounds } from '../../../support/long.ts';
import { skipUnless } from '../../../support/require.ts';
import { underSwapAttack } from '../../../support/swap-attack.ts';

const linux = skipUnless(process.platform === 'linux', 'descriptors as paths are a thing of Linux');
const asRoot = skipUnless(process.geteuid?.() === 0, 'needs root to give files to other users');

interface Place {
  readonly base: string;
  readonly root: string;
}

function place(t: TestContext): Place {
  const base = testFolder(t);
  const root = join(base, 'root');
  mkdirSync(join(root, 'docs', 'deep'), { recursive: true });
  writeFileSync(join(root, 'docs', 'a.txt'), 'inside');
  mkdirSync(join(base, 'outside'));
  writeFileSync(join(base, 'outside', 'a.txt'), 'SECRET');
  writeFileSync(join(base, 'secret'), 'SECRET');
  return { base, root };
}

type Policy = Record<string, boolean>;

function opener(roots: string[], policy: Policy = {}, protectedPaths: string[] = []) {
  const files = linuxFiles(protectedPaths);
  const rules = prepareFileRules(filePolicy.parse({ roots, ...policy }));
  return async (path: string | Buffer, want: Want = 'file'): Promise<string> => {
    const file = await files.open(Buffer.from(path as string), want, rules);
    try {
      if (want !== 'file') return '';
      const bytes = Buffer.alloc(100);
      return bytes.subarray(0, await file.read(bytes, 0)).toString();
    } finally {
      await file.close();
    }
  };
}

const refusedAs = (code: ErrorCode) => (error: unknown) => {
  assert.ok(error instanceof PalyraError, String(error));
  assert.equal(error.code, code, error.message);
  return true;
};

test('a file in a root opens, under the name of the policy and under the real one', { skip: linux }, async (t) => {
  const { base, root } = place(t);
  symlinkSync(root, join(base, 'alias'));
  const open = opener([join(base, 'alias')]);
  assert.equal(await open(join(root, 'docs/a.txt')), 'inside');
  assert.equal(await open(join(base, 'alias/docs/a.txt')), 'inside');
});

test('row 49: what names a file in more than one way is refused before anything is looked up', {
  skip: linux,
}, async (t) => {
  const { root } = place(t);
  const open = opener([root]);
  const refused = [
    `${root}/../secret`,
    `${root}/docs/../docs/a.txt`,
    `${root}/docs/..`,
    `${root}//docs/a.txt`,
    `${root}/./docs/a.txt`,
    `${root}/docs/a.txt\0.png`,
    `${root}/docs/a.txt//`,
    `/../..${root}/docs/a.txt`,
  ];
  for (const path of refused) await assert.rejects(open(path), refusedAs('path_refused'), path);
  for (const path of ['docs/a.txt', 'a', '', '~/x', 'file:///etc/passwd', '\\\\host\\share', 'C:\\x']) {
    await assert.rejects(open(path), refusedAs('invalid_argument'), path);
  }
  await assert.rejects(open(`/${'x/'.repeat(3000)}`), refusedAs('invalid_argument'));
});

test('row 49: what is outside a root is refused without a look at whether it exists', { skip: linux }, async (t) => {
  const { base, root } = place(t);
  const open = opener([root]);
  const outside = [
    join(base, 'secret'),
    join(base, 'not-there'),
    `${root}x/docs/a.txt`,
    root.toUpperCase(),
    '/etc/passwd',
    '/proc/self/environ',
    `/proc/self/root${root}/docs/a.txt`,
    `/proc/self/cwd/x`,
    `/dev/fd/0`,
    '/',
  ];
  for (const path of outside) await assert.rejects(open(path, 'any'), refusedAs('path_outside_roots'), path);
});

test('row 49: a root of everything still opens nothing of the kernel', { skip: linux }, async (t) => {
  const { root } = place(t);
  for (const policy of [
    {},
    { cross_devices: true },
    { cross_devices: true, follow_symlinks: true, allow_secrets: true },
  ]) {
    const open = opener(['/'], policy);
    assert.equal(
      await open(realpathSync(join(root, 'docs/a.txt'))).catch((e: Error) => e.message),
      readFileSync(join(root, 'docs/a.txt'), 'utf8').slice(0, 6),
    );
    for (const path of [
      '/proc/self/environ',
      '/proc/1/root',
      '/sys/kernel/uevent_helper',
      '/dev/null',
      '/dev/shm',
      '/proc',
      '/PROC/1',
    ]) {
      await assert.rejects(
        open(path, 'any'),
        (error) => error instanceof PalyraError && ['path_refused', 'path_not_found'].includes(error.code),
        path,
      );
    }
  }
});

test('row 49: magic links in a root that follows links lead nowhere', { skip: linux }, async (t) => {
  const { root } = place(t);
  symlinkSync('/proc/self/root/etc/passwd', join(root, 'magic'));
  symlinkSync(`/proc/self/fd/0`, join(root, 'stdin'));
  symlinkSync('/dev/zero', join(root, 'zero'));
  symlinkSync('/proc/self/environ', join(root, 'environ'));
  const open = opener([root], { follow_symlinks: true, cross_devices: true });
  for (const name of ['magic', 'stdin', 'zero', 'environ']) {
    await assert.rejects(open(join(root, name)), refusedAs('path_outside_roots'), name);
  }
});

test('names that are no UTF-8 are names like others', { skip: linux }, async (t) => {
  const { root } = place(t);
  const name = Buffer.concat([Buffer.from(`${root}/docs/`), Buffer.from([0xff, 0xfe, 0x80])]);
  writeFileSync(name, 'bytes');
  assert.equal(await opener([root])(name), 'bytes');
});

test('links in a root: refused as leaf and as folder, followed only where the policy says so and inside', {
  skip: linux,
}, async (t) => {
  const { base, root } = place(t);
  symlinkSync('a.txt', join(root, 'docs/link'));
  symlinkSync('docs', join(root, 'dir'));
  symlinkSync(join(base, 'secret'), join(root, 'out'));
  symlinkSync(join(base, 'outside'), join(root, 'outdir'));
  symlinkSync('loop', join(root, 'loop'));
  symlinkSync('gone', join(root, 'dangling'));
  const strict = opener([root]);
  for (const name of ['docs/link', 'dir/a.txt', 'out', 'outdir/a.txt', 'loop', 'dangling']) {
    await assert.rejects(strict(join(root, name)), refusedAs('path_refused'), name);
  }
  const following = opener([root], { follow_symlinks: true });
  assert.equal(await following(join(root, 'docs/link')), 'inside');
  assert.equal(await following(join(root, 'dir/a.txt')), 'inside');
  for (const name of ['out', 'outdir/a.txt']) {
    await assert.rejects(following(join(root, name)), refusedAs('path_outside_roots'), name);
  }
  await assert.rejects(following(join(root, 'loop')), refusedAs('path_refused'));
  await assert.rejects(following(join(root, 'dangling')), refusedAs('path_not_found'));
  const both = opener([root, join(base, 'outside')], { follow_symlinks: true });
  assert.equal(await both(join(root, 'outdir/a.txt')), 'SECRET', 'a link into another root of the policy is inside');
});

test('a root that is a link by now is no root any more', { skip: linux }, async (t) => {
  const { base, root } = place(t);
  const open = opener([root]);
  renameSync(root, join(base, 'moved'));
  symlinkSync(join(base, 'outside'), root);
  await assert.rejects(open(join(root, 'a.txt')), refusedAs('path_refused'));
});

test('row 51: FIFO, socket, device and folder are told apart at once, and none is opened', {
  skip: linux,
}, async (t) => {
  const { root } = place(t);
  execFileSync('mkfifo', [join(root, 'fifo')]);
  const server = createServer().listen(join(root, 'sock'));
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const open = opener([root]);
  const began = performance.now();
  await assert.rejects(open(join(root, 'fifo')), refusedAs('path_refused'));
  await assert.rejects(open(join(root, 'sock')), refusedAs('path_refused'));
  await assert.rejects(open(join(root, 'docs')), refusedAs('not_a_file'));
  await assert.rejects(open(join(root, 'docs/a.txt'), 'directory'), refusedAs('not_a_directory'));
  await assert.rejects(open(join(root, 'docs/a.txt/x')), refusedAs('not_a_directory'));
  await assert.rejects(open(join(root, 'docs/none')), refusedAs('path_not_found'));
  assert.ok(performance.now() - began < 300, `six refusals took ${performance.now() - began} ms`);
});

test('row 51: a device inside a root is refused', { skip: linux || asRoot }, async (t) => {
  const { root } = place(t);
  execFileSync('mknod', [join(root, 'zero'), 'c', '1', '5']);
  await assert.rejects(opener([root])(join(root, 'zero')), refusedAs('path_refused'));
});

test('row 52: a hard link to a file of another user is refused, one of the owner of the root is not', {
  skip: linux || asRoot,
}, async (t) => {
  const { base, root } = place(t);
  chownSync(join(base, 'secret'), 65_534, 65_534);
  linkSync(join(base, 'secret'), join(root, 'stolen'));
  linkSync(join(root, 'docs/a.txt'), join(root, 'twin'));
  const open = opener([root]);
  await assert.rejects(open(join(root, 'stolen')), refusedAs('path_refused'));
  assert.equal(await open(join(root, 'twin')), 'inside');
});

test('another file system in a root is entered only where the policy says so', { skip: linux || asRoot }, async (t) => {
  const { root } = place(t);
  mkdirSync(join(root, 'mnt'));
  mkdirSync(join(root, 'proc'));
  const mounted: string[] = [];
  try {
    for (const [type, folder] of [
      ['tmpfs', join(root, 'mnt')],
      ['proc', join(root, 'proc')],
    ] as const) {
      execFileSync('mount', ['-t', type, 'none', folder]);
      mounted.push(folder);
    }
    writeFileSync(join(root, 'mnt/b.txt'), 'other disk');
    await assert.rejects(opener([root])(join(root, 'mnt/b.txt')), refusedAs('path_refused'));
    const crossing = opener([root], { cross_devices: true });
    assert.equal(await crossing(join(root, 'mnt/b.txt')), 'other disk');
    await assert.rejects(crossing(join(root, 'proc/self/environ'), 'any'), refusedAs('path_refused'));
    await assert.rejects(crossing(join(root, 'proc/version')), refusedAs('path_refused'));
  } finally {
    for (const folder of mounted) execFileSync('umount', ['-l', folder]);
  }
});

test("the deny list holds in every root: Palyra's home, SSH, password files, private keys", {
  skip: linux,
}, async (t) => {
  const { base, root } = place(t);
  const secrets = [
    'home/node/key',
    '.ssh/authorized_keys',
    'etc/shadow',
    'etc/gshadow-',
    'tls/server.pem',
    'tls/ID_ED25519',
    'id_rsa',
  ];
  for (const name of [...secrets, 'css/shadow.css', 'tls/server.crt']) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), 'SECRET');
  }
  const home = join(root, 'home');
  symlinkSync(home, join(base, 'home-alias'));
  const open = opener([root], {}, [join(base, 'home-alias')]);
  for (const name of secrets) await assert.rejects(open(join(root, name)), refusedAs('path_refused'), name);
  assert.equal(await open(join(root, 'css/shadow.css')), 'SECRET');
  assert.equal(await open(join(root, 'tls/server.crt')), 'SECRET');
  await assert.rejects(open(home, 'any'), refusedAs('path_refused'), 'the home itself');
  const lenient = opener([root], { allow_secrets: true }, [home]);
  assert.equal(await lenient(join(root, 'tls/server.pem')), 'SECRET');
  for (const name of secrets.slice(0, 4))
    await assert.rejects(lenient(join(root, name)), refusedAs('path_refused'), name);
  const inHome = opener([home], { allow_secrets: true }, [home]);
  await assert.rejects(inHome(join(home, 'node/key')), refusedAs('path_refused'), 'a root in the home opens nothing');
});

test('a file that the user of the node may not read says whose right is missing', {
  skip: linux || asRoot,
}, async (t) => {
  const { base, root } = place(t);
  execFileSync('chmod', ['755', base]);
  writeFileSync(join(root, 'mine'), 'x', { mode: 0o600 });
  const open = opener([root]);
  process.seteuid?.(65_534);
  try {
    await assert.rejects(open(join(root, 'mine')), refusedAs('no_permission'));
  } finally {
    process.seteuid?.(0);
  }
});

const ATTACK_MS = rounds(5000, 30_000);

test('row 50: no swap of a file, its folder, or both, ever shows what lies outside', {
  skip: linux,
  timeout: ATTACK_MS * 8,
}, async (t) => {
  const { base, root } = place(t);
  symlinkSync(join(base, 'secret'), join(root, 'docs/evil'));
  symlinkSync(join(base, 'outside'), join(root, 'evil'));
  mkdirSync(join(root, 'twin'));
  symlinkSync(join(base, 'secret'), join(root, 'twin/a.txt'));
  writeFileSync(join(root, 'twin/evil'), 'inside');
  const path = join(root, 'docs/a.txt');
  const attacks = {
    leaf: [[path, join(root, 'docs/evil'), join(root, 'docs/spare')]],
    folder: [[join(root, 'docs'), join(root, 'evil'), join(root, 'spare')]],
    // Both folders are real ones; which of their files is a link changes as well.
    double: [
      [join(root, 'docs'), join(root, 'twin'), join(root, 'spare')],
      [path, join(root, 'docs/evil'), join(root, 'docs/spare')],
    ],
  } as const;
  for (const follow of [false, true]) {
    const open = opener([root], { follow_symlinks: follow });
    for (const [name, swaps] of Object.entries(attacks)) {
      const seen = { inside: 0, refused: 0 };
      const swapped = await underSwapAttack(swaps, ATTACK_MS / 2, async () => {
        try {
          assert.equal(await open(path), 'inside', `${name}: the swap leaked`);
          seen.inside += 1;
        } catch (error) {
          if (!(error instanceof PalyraError)) throw error;
          seen.refused += 1;
        }
      });
      t.diagnostic(`${name}, follow ${follow}: ${swapped} swaps, ${seen.inside} reads, ${seen.refused} refused`);
      assert.ok(
        swapped > 100 && seen.inside > 10 && seen.refused > 10,
        `the attack did not bite: ${JSON.stringify(seen)}`,
      );
    }
  }
});

test('row 50: the same attack breaks a check of the resolved path', { skip: linux, timeout: 60_000 }, async (t) => {
  const { base, root } = place(t);
  symlinkSync(join(base, 'outside'), join(root, 'evil'));
  const path = join(root, 'docs/a.txt');
  let leaks = 0;
  await underSwapAttack([[join(root, 'docs'), join(root, 'evil'), join(root, 'spare')]], 2000, async () => {
    try {
      if (!realpathSync(path).startsWith(`${root}/`)) return;
      if (readFileSync(path, 'utf8') === 'SECRET') leaks += 1;
    } catch {
      // Between two renames the name is gone.
    }
  });
  assert.ok(leaks > 0, 'the attacker is too slow to prove anything');
});
