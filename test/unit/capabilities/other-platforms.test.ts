// The forms for macOS and Windows, as far as this machine can run them.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { Want } from '../../../src/capabilities/files/confined-file.ts';
import { darwinFiles } from '../../../src/capabilities/files/darwin-files.ts';
import { filePolicy, prepareFileRules } from '../../../src/capabilities/files/file-rules.ts';
import { windowsComponents, windowsPath } from '../../../src/capabilities/files/windows-files.ts';
import { capabilityPlatform } from '../../../src/capabilities/platform.ts';
import { darwinProcesses } from '../../../src/capabilities/processes/darwin-processes.ts';
import { windowsProcesses } from '../../../src/capabilities/processes/windows-processes.ts';
import { shellExecute } from '../../../src/capabilities/shell-execute.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { testFolder, testRun } from '../../support/capability-context.ts';
import { missingPrograms, skipUnless } from '../../support/require.ts';

const posix = skipUnless(process.platform !== 'win32', 'needs a POSIX machine');
const ps = posix || skipUnless(missingPrograms(['ps']).length === 0, 'needs ps');

test('row 49: every way in which Windows reads a path as something else is refused', () => {
  const refused = [
    '\\\\server\\share\\f',
    '//server/share/f',
    '\\\\?\\C:\\f',
    '\\\\.\\C:\\f',
    '\\\\.\\pipe\\x',
    '\\??\\C:\\f',
    '/etc/passwd',
    'f',
    'C:f',
    'C:',
    'C:\\a\\..\\b',
    'C:\\a\\.\\b',
    'C:\\a\\\\b',
    'C:\\a/../b',
    'C:\\f.txt:stream',
    'C:\\f.txt::$DATA',
    'C:\\dir:$I30:$INDEX_ALLOCATION\\f',
    'C:\\f.txt.',
    'C:\\f.txt ',
    'C:\\dir.\\f',
    'C:\\PROGRA~1\\f',
    'C:\\con',
    'C:\\dir\\NUL.txt',
    'C:\\aux.h',
    'C:\\COM1',
    'C:\\lpt9.log',
    'C:\\com¹',
    'C:\\CONIN$',
    'C:\\a\0b',
    'C:\\a\nb',
    'C:\\a*b',
    'C:\\a?',
    'C:\\"a"',
    'C:\\a|b',
    'C:\\a<b',
  ];
  for (const path of refused) {
    assert.throws(
      () => windowsPath(Buffer.from(path)),
      (error) => error instanceof PalyraError && error.code === 'path_refused',
      JSON.stringify(path),
    );
  }
  for (const path of ['C:\\a b\\ä.txt', 'c:/a/b', 'D:\\dir\\', 'C:\\console\\common\\aux_file']) {
    assert.equal(windowsPath(Buffer.from(path)), path);
  }
  assert.deepEqual(windowsComponents('C:\\a/b\\c\\'), ['a', 'b', 'c']);
  assert.throws(() => windowsPath(Buffer.from([0x43, 0x3a, 0x5c, 0xff])), { code: 'invalid_argument' });
});

test('row 56: batch files are refused on Windows, and lines only go to shells that read them once', async () => {
  const host = windowsProcesses();
  for (const path of ['C:\\x.bat', 'C:\\x.CMD', 'C:\\x.ps1', 'C:\\x']) {
    await assert.rejects(async () => host.openProgram(path), { code: 'program_not_executable' });
  }
  assert.throws(() => host.scriptArguments('C:\\Windows\\System32\\cmd.exe', 'dir'), { code: 'policy_denied' });
  const [encoded = ''] = host.scriptArguments(host.defaultShells[0] ?? '', `"C:\\a b\\x.exe" 'ä'`).slice(-1);
  assert.equal(Buffer.from(encoded, 'base64').toString('utf16le'), `"C:\\a b\\x.exe" 'ä'`);
});

test('the form for macOS keeps to the roots, by real names', { skip: posix }, async (t) => {
  const base = testFolder(t);
  const root = join(base, 'root');
  mkdirSync(join(root, 'docs/home'), { recursive: true });
  writeFileSync(join(root, 'docs/a.txt'), 'inside');
  writeFileSync(join(root, 'docs/home/key'), 'SECRET');
  writeFileSync(join(root, 'docs/key.pem'), 'SECRET');
  writeFileSync(join(base, 'secret'), 'SECRET');
  symlinkSync(join(base, 'secret'), join(root, 'out'));
  symlinkSync('docs', join(root, 'dir'));
  const files = darwinFiles([join(root, 'docs/home')]);
  const open = async (path: string, policy = {}, want: Want = 'file'): Promise<string> => {
    const file = await files.open(
      Buffer.from(path),
      want,
      prepareFileRules(filePolicy.parse({ roots: [root], ...policy })),
    );
    const bytes = Buffer.alloc(20);
    const length = await file.read(bytes, 0);
    await file.close();
    return bytes.subarray(0, length).toString();
  };
  assert.equal(await open(join(root, 'docs/a.txt')), 'inside');
  assert.equal(await open(join(root, 'dir/a.txt'), { follow_symlinks: true }), 'inside');
  const cases: [string, object, string][] = [
    [join(root, 'dir/a.txt'), {}, 'path_refused'],
    [join(root, 'out'), {}, 'path_outside_roots'],
    [join(root, 'out'), { follow_symlinks: true }, 'path_outside_roots'],
    [join(base, 'secret'), {}, 'path_outside_roots'],
    [`${root}/../secret`, {}, 'path_refused'],
    [join(root, 'docs/home/key'), {}, 'path_refused'],
    [join(root, 'docs/key.pem'), {}, 'path_refused'],
    [join(root, 'docs'), {}, 'not_a_file'],
    [join(root, 'none'), {}, 'path_not_found'],
  ];
  for (const [path, policy, code] of cases) await assert.rejects(open(path, policy), { code }, path);
});

test('the form for macOS runs programs, ends their group, and says best effort', {
  skip: ps,
  timeout: 30_000,
}, async (t) => {
  const capability = shellExecute(darwinProcesses());
  const rules = capability.prepare({ programs: 'any', default_cwd: '/' });
  const given = testRun();
  const { exitCode } = await capability.execute(
    { argv: ['sh', '-c', 'printf "a\\0b"; echo e >&2; exit 3'] },
    rules,
    given.context,
  );
  assert.deepEqual([exitCode, given.stdout.text, given.stderr.text], [3, 'a\0b', 'e\n']);
  await assert.rejects(capability.execute({ argv: ['no-such-program'] }, rules, testRun().context), {
    code: 'program_not_found',
  });
  const long = testRun();
  const running = capability.execute({ argv: ['sh', '-c', 'sleep 60 & echo ready; wait'] }, rules, long.context);
  for (let look = 0; look < 200 && long.stdout.text === ''; look += 1) await systemClock.sleep(10);
  long.abort(new PalyraError('cancelled', 'x'));
  const { signal, treeKill } = await running;
  assert.deepEqual([signal, treeKill], ['SIGTERM', 'best_effort']);
  const folder = testFolder(t);
  writeFileSync(join(folder, 'tool'), '#!/bin/sh\n', { mode: 0o755 });
  chmodSync(folder, 0o777);
  const narrow = capability.prepare({ programs: [{ program: join(folder, 'tool') }] });
  await assert.rejects(capability.execute({ argv: [join(folder, 'tool')] }, narrow, testRun().context), {
    code: 'policy_denied',
  });
});

test('each operating system has its own form, chosen in one place', () => {
  for (const platform of ['linux', 'darwin', 'win32']) {
    const { files, processes } = capabilityPlatform([], platform);
    assert.equal(typeof files.open, 'function');
    assert.ok(processes.defaultPath.length > 0);
    assert.equal(
      processes.defaultPath.every((path) => (platform === 'win32' ? path.startsWith('C:\\') : path.startsWith('/'))),
      true,
    );
  }
});
