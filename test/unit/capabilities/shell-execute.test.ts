import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { OutputSink } from '../../../src/capabilities/capability.ts';
import { linuxProcesses } from '../../../src/capabilities/processes/linux-processes.ts';
import { shellExecute } from '../../../src/capabilities/shell-execute.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { type ErrorCode, PalyraError } from '../../../src/kernel/errors.ts';
import { SlowSink, testFacts, testFolder, testRun } from '../../support/capability-context.ts';
import { rounds } from '../../support/long.ts';
import { missingPrograms, skipUnless } from '../../support/require.ts';

const skip = skipUnless(process.platform === 'linux', 'the form for Linux');
const asRoot = skipUnless(process.geteuid?.() === 0, 'needs root to become another user');
const capability = shellExecute(linuxProcesses());
const ANY = { programs: 'any', script: 'allow', env_from_request: ['*'], default_cwd: '/' };

async function run(input: Record<string, unknown>, given = testRun(), policy: Record<string, unknown> = ANY) {
  const outcome = await capability.execute(capability.input.parse(input), capability.prepare(policy), given.context);
  capability.output.parse(outcome.output);
  return {
    ...outcome,
    output: outcome.output as Record<string, unknown>,
    stdout: given.stdout.text,
    stderr: given.stderr.text,
    bytes: given.stdout.bytes,
    started: given.started,
  };
}

const sh = (script: string, ...args: string[]): Record<string, unknown> => ({
  argv: ['sh', '-c', script, 'sh', ...args],
});

const failsWith = (code: ErrorCode, text?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PalyraError, String(error));
  assert.equal(error.code, code, error.message);
  if (text !== undefined) assert.match(`${error.message} ${error.hint}`, text);
  return true;
};

async function* chunksOf(...chunks: Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

test('exit codes come through as they are, for programs and for script lines', { skip }, async () => {
  for (const code of [0, 1, 2, 42, 126, 127, 255]) {
    assert.equal((await run(sh(`exit ${code}`))).exitCode, code);
    const line = await run({ script: `exit ${code}` });
    assert.equal(line.exitCode, code);
    assert.equal(line.signal, undefined);
  }
});

test('a program ended by a signal has that signal and no code', { skip }, async () => {
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGSEGV', 'SIGHUP']) {
    const end = await run(sh(`kill -${signal.slice(3)} $$`));
    assert.deepEqual([end.exitCode, end.signal, end.treeKill], [undefined, signal, undefined]);
  }
});

test('stdout and stderr are kept apart and exact: NUL, 0xff, no newline at the end', { skip }, async (t) => {
  const folder = testFolder(t);
  const content = Buffer.concat([Buffer.from([0, 0xff, 0x84, 0xe4, 0x0d, 0x0a, 0x1b]), randomBytes(4096)]);
  writeFileSync(join(folder, 'bytes'), content);
  const given = testRun();
  const { output } = await run(sh('cat "$1"; cat "$1" "$1" >&2', join(folder, 'bytes')), given);
  assert.ok(given.stdout.bytes.equals(content));
  assert.ok(given.stderr.bytes.equals(Buffer.concat([content, content])));
  assert.equal(output['stdout_bytes'], content.length);
  assert.equal(output['stderr_bytes'], 2 * content.length);
});

test('one byte, a KiB and a MiB on either stream arrive whole', { skip }, async () => {
  for (const size of [1, 1024, 2 ** 20]) {
    const given = testRun();
    await run(sh(`head -c ${size} /dev/zero | tr '\\0' x; head -c ${size} /dev/zero | tr '\\0' y >&2`), given);
    assert.ok(given.stdout.bytes.equals(Buffer.alloc(size, 'x')), `stdout of ${size}`);
    assert.ok(given.stderr.bytes.equals(Buffer.alloc(size, 'y')), `stderr of ${size}`);
  }
});

test('programs may open /dev/stdout, /dev/stderr and /dev/stdin by name', { skip }, async () => {
  const given = testRun({ stdin: chunksOf(Buffer.from('in')) });
  const { exitCode } = await run(
    sh('cat /dev/stdin > /dev/stdout; echo out > /dev/stdout; echo err > /dev/stderr'),
    given,
  );
  assert.deepEqual([exitCode, given.stdout.text, given.stderr.text], [0, 'inout\n', 'err\n']);
});

test('arguments are data: unicode, empty, dashes, globs, quotes, newlines, a thousand of them', { skip }, async () => {
  const args = [
    'ä 😀',
    '',
    '--',
    '-x',
    '*',
    '$HOME',
    '`id`',
    '"',
    "'",
    'a b',
    'a\nb',
    '\\',
    '%PATH%',
    ';rm -rf /',
    '\u202e',
  ];
  const { stdout } = await run({ argv: ['printf', '%s\\0', ...args] });
  assert.deepEqual(stdout.split('\0').slice(0, -1), args);
  const many = Array.from({ length: 1000 }, (_, index) => `argument-${index}`);
  assert.equal((await run({ argv: ['printf', '%s\\n', ...many] })).stdout, `${many.join('\n')}\n`);
  const long = 'x'.repeat(128 * 1024 - 1);
  assert.equal((await run({ argv: ['printf', '%s', long] })).stdout, long);
});

test('what the system cannot pass on is refused, never changed', { skip }, async () => {
  await assert.rejects(run({ argv: ['printf', '%s', 'x'.repeat(200 * 1024)] }), failsWith('spawn_failed', /too long/));
  for (const argv of [['a\0b'], ['true', 'a\0'], ['true', '\ud800'], [], ['']]) {
    assert.equal(capability.input.safeParse({ argv }).success, false, JSON.stringify(argv));
  }
  for (const input of [
    {},
    { argv: ['a'], script: 'a' },
    { argv: ['a'], shell: 'sh' },
    { argv: ['a'], approved: true },
    { argv: ['a'], env: { 'A=B': 'x' } },
    { script: '' },
  ]) {
    assert.equal(capability.input.safeParse(input).success, false, JSON.stringify(input));
  }
});

test('what is not there, not executable, or no program, is told by its own code', { skip }, async (t) => {
  const folder = testFolder(t);
  writeFileSync(join(folder, 'plain'), 'x', { mode: 0o644 });
  writeFileSync(join(folder, 'lost'), '#!/no/such/interpreter\n', { mode: 0o755 });
  writeFileSync(join(folder, 'dos'), '#!/bin/sh\r\necho x\r\n', { mode: 0o755 });
  await assert.rejects(run({ argv: ['no-such-program-at-all'] }), failsWith('program_not_found', /looked in/));
  await assert.rejects(run({ argv: [join(folder, 'none')] }), failsWith('program_not_found'));
  await assert.rejects(run({ argv: [join(folder, 'plain')] }), failsWith('program_not_executable'));
  await assert.rejects(run({ argv: [folder] }), failsWith('program_not_executable', /folder/));
  await assert.rejects(run({ argv: ['/dev/null'] }), failsWith('program_not_executable', /regular/));
  await assert.rejects(run({ argv: [join(folder, 'lost')] }), failsWith('program_not_executable', /interpreter/));
  await assert.rejects(run({ argv: [join(folder, 'dos')] }), failsWith('program_not_executable', /interpreter/));
});

test('a script knows its own path, and a program the name it was called by', { skip }, async (t) => {
  const folder = testFolder(t);
  writeFileSync(join(folder, 'script'), '#!/bin/sh\necho "$0" "$@"\n', { mode: 0o755 });
  assert.equal((await run({ argv: [join(folder, 'script'), 'a'] })).stdout, `${join(folder, 'script')} a\n`);
  assert.equal((await run({ argv: ['./script'], cwd: folder })).stdout, `${join(folder, 'script')}\n`);
  symlinkSync('/bin/bash', join(folder, 'other-name'));
  const named = await run({ argv: [join(folder, 'other-name'), '-c', 'echo "$0"'] });
  assert.equal(named.stdout, `${join(folder, 'other-name')}\n`);
});

test('the working folder: where it is asked for, checked before the start, missing ones told apart', {
  skip,
}, async (t) => {
  const folder = testFolder(t);
  mkdirSync(join(folder, 'ä b'));
  symlinkSync(join(folder, 'ä b'), join(folder, 'link'));
  writeFileSync(join(folder, 'file'), '');
  const pwd = { argv: ['/bin/pwd', '-P'] };
  assert.equal((await run({ ...pwd, cwd: join(folder, 'link') })).stdout, `${join(folder, 'ä b')}\n`);
  assert.equal((await run(pwd)).stdout, '/\n');
  await assert.rejects(run({ ...pwd, cwd: join(folder, 'none') }), failsWith('path_not_found'));
  await assert.rejects(run({ ...pwd, cwd: join(folder, 'file') }), failsWith('not_a_directory'));
  await assert.rejects(run({ ...pwd, cwd: 'relative' }), failsWith('invalid_argument'));
  const narrow = { ...ANY, cwd_roots: [join(folder, 'ä b')], default_cwd: undefined };
  assert.equal((await run(pwd, testRun(), narrow)).stdout, `${join(folder, 'ä b')}\n`, 'the home is outside: the root');
  await assert.rejects(run({ ...pwd, cwd: folder }, testRun(), narrow), failsWith('path_outside_roots'));
  symlinkSync('/etc', join(folder, 'ä b', 'out'));
  await assert.rejects(
    run({ ...pwd, cwd: join(folder, 'ä b/out') }, testRun(), narrow),
    failsWith('path_outside_roots'),
  );
});

test('the environment is the documented one: nothing of the node gets in', { skip }, async () => {
  process.env['NODE_SECRET_OF_TEST'] = 'x';
  process.env['NOTIFY_SOCKET'] = '/run/x';
  process.env['WATCHDOG_USEC'] = '1';
  try {
    const given = testRun();
    const { stdout } = await run({ argv: ['env'], env: { LANG: 'de_DE.UTF-8', GREETING: 'ä\nb' } }, given, {
      ...ANY,
      env: { OWNER: 'yes' },
    });
    const names = stdout
      .replace('ä\nb', '')
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]);
    assert.deepEqual(
      new Set(names),
      new Set([
        'GREETING',
        'HOME',
        'LANG',
        'LOGNAME',
        'OWNER',
        'PALYRA_DEVICE_ID',
        'PALYRA_NODE_NAME',
        'PALYRA_REQUEST_ID',
        'PATH',
        'SHELL',
        'USER',
      ]),
    );
    assert.match(stdout, new RegExp(`PALYRA_REQUEST_ID=${given.context.requestId}`));
    assert.match(stdout, new RegExp(`PALYRA_NODE_NAME=${testFacts.nodeName}`));
    assert.match(stdout, /LANG=de_DE\.UTF-8/);
    assert.match((await run({ argv: ['env'] })).stdout, /^LANG=C\.UTF-8$/m);
  } finally {
    delete process.env['NODE_SECRET_OF_TEST'];
    delete process.env['NOTIFY_SOCKET'];
    delete process.env['WATCHDOG_USEC'];
  }
});

test('a program starts with an own session, mask 077, /dev/null as input and no descriptor of ours', {
  skip,
}, async () => {
  const { stdout } = await run(
    sh('umask; ps -o sid= -p $$ | tr -d " "; echo $$; readlink /proc/self/fd/0; cat; ls /proc/$$/fd'),
  );
  const [mask, session, pid, input, ...descriptors] = stdout.trim().split('\n');
  assert.equal(mask, '0077');
  assert.equal(session, pid);
  assert.equal(input, '/dev/null');
  // What this process itself inherited open, it cannot keep from its children.
  const inherited = readdirSync('/proc/self/fd').filter((fd) => Number(fd) > 2 && !closesOnExec(fd));
  assert.deepEqual(
    descriptors.filter((fd) => Number(fd) > 2 && !inherited.includes(fd) && fd !== '10'),
    [],
  );
});

function closesOnExec(fd: string): boolean {
  try {
    const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & 0o2000000) !== 0;
  } catch {
    return true;
  }
}

test('standard input arrives exact, 10 MB of it, at the pace of the program', { skip }, async () => {
  const content = randomBytes(10_000_000);
  const chunks = Array.from({ length: Math.ceil(content.length / 65_536) }, (_, index) =>
    content.subarray(index * 65_536, (index + 1) * 65_536),
  );
  const { stdout } = await run({ argv: ['sha256sum'] }, testRun({ stdin: chunksOf(...chunks) }));
  assert.equal(stdout.split(' ')[0], createHash('sha256').update(content).digest('hex'));
  assert.equal((await run({ argv: ['wc', '-c'] }, testRun({ stdin: chunksOf() }))).stdout.trim(), '0');
});

test('a program that stops reading its input ends well, and the rest is not asked for', { skip }, async () => {
  let given = 0;
  let returned = false;
  const endless = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        given += 1;
        return { done: false as const, value: Buffer.alloc(65_536, 'x') };
      },
      return: async () => {
        returned = true;
        return { done: true as const, value: undefined };
      },
    }),
  };
  const { exitCode, stdout } = await run({ argv: ['head', '-c', '5'] }, testRun({ stdin: endless }));
  assert.deepEqual([exitCode, stdout], [0, 'xxxxx']);
  assert.ok(given < 100, `${given} chunks were taken`);
  assert.equal(returned, true);
});

test('an input that never comes does not hold a program that ended', { skip }, async () => {
  const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
  assert.equal((await run({ argv: ['true'] }, testRun({ stdin: silent }))).exitCode, 0);
});

test('E5 a program that never reads its input, or fills stderr before stdout, ends, 200 at a time', {
  skip,
  timeout: 120_000,
}, async () => {
  const script = 'head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; exit 7';
  const runs = Array.from({ length: rounds(60, 200) }, async (_, index) => {
    const stdin = index % 2 === 0 ? chunksOf(Buffer.alloc(300_000)) : undefined;
    const given = testRun({ stdin });
    const { exitCode, output } = await run(sh(script), given);
    assert.deepEqual([exitCode, output['stdout_bytes'], output['stderr_bytes']], [7, 300_000, 300_000]);
  });
  await Promise.all(runs);
});

test('50 MB of output reach a slow reader whole, the program waits for it, and memory stays flat', {
  skip,
  timeout: 120_000,
}, async (t) => {
  let peak = 0;
  let count = 0;
  const before = process.memoryUsage.rss();
  const sink = new SlowSink(async () => {
    count += 1;
    if (count % 8 === 0) await systemClock.sleep(1);
    peak = Math.max(peak, process.memoryUsage.rss());
  });
  const given = testRun({ stdout: sink });
  const { exitCode } = await run(sh('yes 0123456789abcde | head -c 50000000'), given);
  t.diagnostic(`+${((peak - before) / 2 ** 20).toFixed(0)} MiB`);
  assert.equal(exitCode, 0);
  assert.equal(sink.bytes, 50_000_000);
  const expected = createHash('sha256')
    .update(Buffer.from('0123456789abcde\n'.repeat(3_125_000)))
    .digest('hex');
  assert.equal(sink.sha256, expected);
  assert.ok(peak - before < 64 * 2 ** 20, `grew by ${(peak - before) / 2 ** 20} MiB`);
});

test('while nobody takes the output the program stands still', { skip }, async () => {
  let release: () => void = () => undefined;
  let taken = 0;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const stdout: OutputSink = {
    async write(chunk) {
      taken += chunk.length;
      await gate;
    },
  };
  const given = testRun({ stdout });
  const running = run(sh('yes | head -c 5000000; echo done >&2'), given);
  await systemClock.sleep(300);
  assert.ok(taken <= 65_536, `${taken} bytes were taken`);
  assert.equal(given.stderr.text, '', 'the program is not done');
  release();
  await running;
  assert.equal(taken, 5_000_000);
  assert.equal(given.stderr.text, 'done\n');
});

test('output comes while the program runs, not at its end', { skip }, async () => {
  const came: number[] = [];
  const began = performance.now();
  const stdout: OutputSink = { write: async () => void came.push(performance.now() - began) };
  await run(sh('echo a; sleep 0.5'), testRun({ stdout }));
  assert.equal(came.length, 1);
  assert.ok((came[0] ?? 1000) < 400, `came after ${came[0]} ms`);
});

test('a background process that holds the pipes does not hold the answer, nor is its early output lost', {
  skip,
}, async () => {
  const began = performance.now();
  const { stdout, exitCode } = await run(
    sh('setsid sh -c "echo early; sleep 5; echo late" & sleep 0.1; echo main; exit 3'),
  );
  assert.ok(performance.now() - began < 2000, `took ${performance.now() - began} ms`);
  assert.equal(exitCode, 3);
  assert.match(stdout, /early/);
  assert.match(stdout, /main/);
});

test('a background process that writes without end does not hold the answer either', { skip }, async () => {
  const { exitCode } = await run(sh('yes & echo $! >&2; exit 4'));
  assert.equal(exitCode, 4);
});

test('a machine on which no pipes can be made gets what Node has, with the same results', { skip }, async () => {
  const none = { take: async () => undefined, warm: async () => undefined };
  const plain = shellExecute(linuxProcesses(none));
  const rules = plain.prepare(ANY);
  const given = testRun({ stdin: chunksOf(Buffer.from('a\0b'), Buffer.alloc(500_000, 'x')) });
  const copy = sh('readlink /proc/self/fd/1 >&2; cat; echo e >&2; exit 6') as { argv: string[] };
  const { exitCode } = await plain.execute(copy, rules, given.context);
  assert.equal(exitCode, 6);
  assert.match(given.stderr.text, /^socket:.*\ne\n$/);
  assert.ok(given.stdout.bytes.equals(Buffer.concat([Buffer.from('a\0b'), Buffer.alloc(500_000, 'x')])));
  const began = performance.now();
  const held = testRun();
  await plain.execute(sh('setsid sleep 5 & echo main; exit 0') as { argv: string[] }, rules, held.context);
  assert.equal(held.stdout.text, 'main\n');
  assert.ok(performance.now() - began < 2000, `took ${performance.now() - began} ms`);
});

test('a sink that fails ends the program and its failure rises', { skip }, async () => {
  const lost = new Error('the bulk stream broke');
  const stdout: OutputSink = { write: () => Promise.reject(lost) };
  const given = testRun({ stdout });
  await assert.rejects(run(sh('echo x; sleep 30'), given), lost);
  assert.throws(() => process.kill(given.started[0]?.pid ?? 0, 0), { code: 'ESRCH' });
});

test('a ledger that fails leaves no program behind', { skip }, async () => {
  let pid = 0;
  const started = (id: number): void => {
    pid = id;
    throw new Error('disk full');
  };
  await assert.rejects(run({ argv: ['sleep', '30'] }, testRun({ started })), /disk full/);
  for (let look = 0; look < 100 && isAlive(pid); look += 1) await systemClock.sleep(20);
  assert.equal(isAlive(pid), false);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('script lines reach the shell byte for byte, and only the shells of the policy', { skip }, async () => {
  const line = `printf '%s|' "a  b" 'c"d' "$(echo e)" \\$f ; echo "é"`;
  assert.equal((await run({ script: line })).stdout, `a  b|c"d|e|$f|é\n`);
  assert.equal((await run({ script: 'echo $0', shell: 'bash' })).stdout, '/bin/bash\n');
  assert.equal((await run({ script: 'echo $0', shell: '/bin/bash' })).stdout, '/bin/bash\n');
  await assert.rejects(run({ script: 'x', shell: 'python3' }), failsWith('policy_denied', /\/bin\/sh/));
  await assert.rejects(run({ script: 'x' }, testRun(), { programs: 'any' }), failsWith('policy_denied', /script/));
  await assert.rejects(
    run({ script: 'x' }, testRun(), { programs: 'any', script: 'ask' }),
    failsWith('policy_denied', /nobody can answer/),
  );
  await assert.rejects(run({ script: `echo ${'x'.repeat(140_000)}` }), failsWith('payload_too_large'));
});

test('line ends of Windows are named, and taken out only where that is asked for', { skip }, async () => {
  const script = 'X=a\r\necho "[$X]"\r\n';
  const kept = await run({ script });
  assert.match(kept.stdout, /\[a\r\]/);
  assert.equal((kept.output['warnings'] as string[]).length, 1);
  const changed = await run({ script, line_endings: 'lf' });
  assert.equal(changed.stdout, '[a]\n');
  assert.deepEqual(changed.output['warnings'], []);
});

test('row 58: run_as drops groups, capabilities and new privileges, and the files belong to that user', {
  skip: skip || asRoot,
}, async (t) => {
  const folder = testFolder(t);
  chmodSync(folder, 0o777);
  const policy = { ...ANY, run_as: 'nobody', limits: { open_files: 64 } };
  const script =
    'id; grep -E "^(CapEff|CapPrm|CapBnd|CapInh|NoNewPrivs|Groups)" /proc/self/status; ulimit -c; ulimit -n; umask; echo "$HOME $USER"; echo x > mine; echo e > /dev/stderr';
  const given = testRun();
  const { stdout, exitCode } = await run({ ...sh(script), cwd: folder }, given, policy);
  assert.equal(exitCode, 0, given.stderr.text);
  assert.match(stdout, /uid=65534\(nobody\) gid=65534\(nogroup\) groups=65534\(nogroup\)/);
  for (const set of ['CapEff', 'CapPrm', 'CapBnd', 'CapInh'])
    assert.match(stdout, new RegExp(`${set}:\\s+0000000000000000`));
  assert.match(stdout, /NoNewPrivs:\s+1/);
  assert.match(stdout, /Groups:\s+65534/);
  assert.match(stdout, /^0\n64\n0077\n/m);
  assert.match(stdout, /nobody$/m);
  assert.equal(given.stderr.text, 'e\n');
  const { stdout: owner } = await run({ argv: ['stat', '-c', '%U %a', join(folder, 'mine')] });
  assert.equal(owner, 'nobody 600\n');
  await assert.rejects(
    run(sh('true'), testRun(), { ...ANY, run_as: 'no-such-user' }),
    failsWith('not_found', /run_as/),
  );
});

test('run_as another user is refused where the node is not root', { skip: skip || asRoot }, async () => {
  process.seteuid?.(65_534);
  try {
    await assert.rejects(
      run({ argv: ['true'] }, testRun(), { ...ANY, run_as: 'daemon' }),
      failsWith('policy_denied', /runs as/),
    );
  } finally {
    process.seteuid?.(0);
  }
});

test('G8 many short commands leave no process, descriptor or group behind', { skip, timeout: 120_000 }, async (t) => {
  for (let warm = 0; warm < 20; warm += 1) await run({ argv: ['true'] });
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const children = (): string => readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
  const before = [descriptors(), children()];
  const rss = process.memoryUsage.rss();
  for (let count = rounds(300, 10_000); count > 0; count -= 1) await run({ argv: ['true'] });
  await systemClock.sleep(50);
  t.diagnostic(`RSS +${((process.memoryUsage.rss() - rss) / 2 ** 20).toFixed(1)} MiB`);
  assert.deepEqual([descriptors(), children()], before);
});

test('row 64: after the start of the node no program writes a core file', {
  skip: skip || skipUnless(missingPrograms(['prlimit']).length === 0, 'needs prlimit'),
}, async () => {
  await linuxProcesses().ready();
  assert.equal((await run(sh('ulimit -c; ulimit -Hc'))).stdout, '0\n0\n');
});
