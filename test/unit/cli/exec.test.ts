import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { OperatorDaemon } from '../../support/operator-daemon.ts';
import { RunningCli, runCli } from '../../support/run-cli.ts';
import { type Ending, type Run, ScriptedNode } from '../../support/scripted-node.ts';

let daemon: OperatorDaemon;
let node: ScriptedNode;
type Program = (run: Run) => Promise<Ending | undefined>;
const programs = new Map<string, Program>();

before(async () => {
  daemon = await OperatorDaemon.start();
  node = new ScriptedNode(await daemon.addDevice('web-1'), async (run) => {
    const { argv, script } = run.input as { argv?: string[]; script?: string };
    const program = programs.get(argv?.[0] ?? script ?? '');
    return program?.(run);
  });
  node.connect(daemon.dispatcher);
  await daemon.addDevice('away');
});
after(() => daemon.stop());

const cli = (...argv: string[]) => runCli(argv, { home: daemon.home });
const ends =
  (ending: Ending): Program =>
  async () =>
    ending;
const lastInput = (): { argv: string[]; cwd?: string; env?: Record<string, string>; script?: string } =>
  JSON.parse(node.orders.at(-1)?.inputJson ?? '{}');

test('every word behind the first -- reaches the node as it is', async () => {
  programs.set('show', ends({}));
  const words = [
    'show',
    '',
    '--',
    '-i',
    '--json',
    '--help',
    '-o',
    'ndjson',
    'a\nb',
    '$HOME',
    "'",
    '"',
    '*',
    'ü\u{1f600}',
    '--version',
    'nodes:list',
  ];
  const { code, stderr, stdout } = await cli('nodes', 'exec', 'web-1', '--', ...words);
  assert.equal(code, 0, stderr);
  assert.equal(stdout.length, 0);
  assert.deepEqual(lastInput().argv, words);
  assert.equal(node.orders.at(-1)?.stdinMode, 'none');
});

test('flags of ours stand before the --, also behind the node', async () => {
  const args = [
    'nodes',
    'exec',
    '--cwd',
    '/srv',
    'web-1',
    '--env',
    'A=1=2',
    '--env',
    'B=',
    '--timeout',
    '90s',
    '--',
    'show',
  ];
  assert.equal((await cli(...args)).code, 0);
  assert.deepEqual(lastInput(), { argv: ['show'], cwd: '/srv', env: { A: '1=2', B: '' } });
  assert.equal(node.orders.at(-1)?.runTimeoutMs, 90_000);
});

test('stdout and stderr arrive apart, byte by byte', async () => {
  const out = randomBytes(3 * 1024 * 1024);
  const err = Buffer.concat([Buffer.from([0, 0xff, 0x1b]), randomBytes(1000)]);
  programs.set('bytes', async ({ write }) => {
    await write('stderr', err);
    await write('stdout', out);
    return {};
  });
  const running = new RunningCli(['nodes', 'exec', 'web-1', '--', 'bytes'], { home: daemon.home });
  const stderr: Buffer[] = [];
  running.process.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  const { code, stdout } = await running.end;
  assert.equal(code, 0);
  assert.ok(stdout.equals(out), 'stdout differs');
  assert.ok(Buffer.concat(stderr).equals(err), 'stderr differs');
});

const CODES: readonly (readonly [name: string, ending: Ending, code: number, error: string | undefined])[] = [
  ['three', { exitCode: 3 }, 3, undefined],
  ['killed', { exitCode: null, signal: 'SIGKILL', outcome: 'failed' }, 137, undefined],
  [
    'slow',
    { exitCode: null, outcome: 'timed_out', errorCode: 'timed_out', errorMessage: 'too slow' },
    124,
    'timed_out',
  ],
  ['denied', { exitCode: null, outcome: 'rejected', errorCode: 'policy_denied' }, 125, 'policy_denied'],
];
for (const [name, ending, code, error] of CODES) {
  test(`W40: exec of a program that ends as "${name}" ends with ${code}`, async () => {
    programs.set(name, ends(ending));
    const result = await cli('nodes', 'exec', 'web-1', '--json', '--', name);
    assert.equal(result.code, code, result.stderr);
    const document = JSON.parse(result.stdout.toString()) as Record<string, unknown>;
    assert.equal(document['exit_code'], ending.exitCode);
    assert.equal(document['signal'], ending.signal ?? null);
    if (error === undefined) assert.equal(result.stderr, '');
    else assert.equal((JSON.parse(result.stderr) as { error: { code: string } }).error.code, error);
  });
}

const OWN: readonly (readonly [argv: readonly string[], error: string])[] = [
  [['nodes', 'exec', 'nobody', '--json', '--', 'ok'], 'node_not_found'],
  [['nodes', 'exec', 'away', '--json', '--', 'ok'], 'node_offline'],
  [['nodes', 'exec', 'web-1', '--json'], 'usage'],
  [['nodes', 'exec', 'web-1', '--json', '--frobnicate', '--', 'ok'], 'usage'],
  [['nodes', 'exec', 'web-1', 'web-2', '--json', '--', 'ok'], 'usage'],
];
for (const [argv, error] of OWN) {
  test(`an own failure of exec is 125 and says ${error}: ${argv.slice(2).join(' ')}`, async () => {
    const { code, stdout, stderr } = await runCli(argv, { home: daemon.home });
    assert.equal(code, 125);
    assert.equal(stdout.length, 0);
    assert.equal((JSON.parse(stderr) as { error: { code: string } }).error.code, error);
  });
}

test('the JSON document has the promised names, and base64 where bytes are not text', async () => {
  programs.set('mixed', async ({ write }) => {
    await write('stdout', 'text ü\n');
    await write('stderr', Buffer.from([0xc3, 0x28]));
    return {};
  });
  const { stdout } = await cli('nodes', 'exec', 'web-1', '-o', 'json', '--', 'mixed');
  const document = JSON.parse(stdout.toString()) as Record<string, unknown>;
  assert.match(document['request_id'] as string, /^[0-9A-Z]{26}$/);
  assert.equal(document['state'], 'succeeded');
  assert.equal(document['stdout'], 'text ü\n');
  assert.equal(document['stderr_base64'], 'wyg=');
  assert.ok(!('stderr' in document) && !('stdout_base64' in document));
  assert.equal(document['truncated'], false);
  assert.equal(document['duration_ms'], 1);
});

test('ndjson is a line for each event', async () => {
  const { stdout, code } = await cli('nodes', 'exec', 'web-1', '-o', 'ndjson', '--', 'mixed');
  assert.equal(code, 0);
  const types = stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { type: string }).type);
  assert.equal(types[0], 'request');
  assert.equal(types.at(-1), 'end');
  assert.ok(types.includes('output'));
});

test('standard input is left alone without -i, and arrives whole with it', async () => {
  const data = randomBytes(5 * 1024 * 1024);
  programs.set('sha', async ({ order, stdin, write }) => {
    const hash = createHash('sha256');
    if (order.stdinMode === 'stream') for await (const piece of stdin) hash.update(piece);
    await write('stdout', hash.digest('hex'));
    return {};
  });
  const with_ = await runCli(['nodes', 'exec', 'web-1', '-i', '--', 'sha'], { home: daemon.home, stdin: data });
  assert.equal(with_.stdout.toString(), createHash('sha256').update(data).digest('hex'), with_.stderr);
  const empty = await runCli(['nodes', 'exec', 'web-1', '-i', '--', 'sha'], { home: daemon.home, stdin: '' });
  assert.equal(empty.stdout.toString(), createHash('sha256').digest('hex'));

  // A loop that feeds on its own input keeps it.
  const loop = spawn(
    'sh',
    [
      '-c',
      'while read -r line; do "$@" >/dev/null; echo "$line"; done',
      'sh',
      process.execPath,
      'src/main.ts',
      'nodes',
      'exec',
      'web-1',
      '--',
      'ok',
    ],
    {
      env: { PATH: process.env['PATH'], PALYRA_HOME: daemon.home },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const seen: Buffer[] = [];
  loop.stdout.on('data', (chunk: Buffer) => seen.push(chunk));
  loop.stdin.end('one\ntwo\n');
  await new Promise((resolve) => loop.once('close', resolve));
  assert.equal(Buffer.concat(seen).toString(), 'one\ntwo\n');
});

test('a program that closes its input early does not leave us waiting', async () => {
  programs.set('head', async ({ stdin, write }) => {
    for await (const piece of stdin) {
      await write('stdout', piece.subarray(0, 1));
      break;
    }
    return {};
  });
  const running = new RunningCli(['nodes', 'exec', 'web-1', '-i', '--', 'head'], {
    home: daemon.home,
    stdin: Buffer.alloc(2 * 1024 * 1024, 'x'),
  });
  assert.deepEqual(await running.end.then(({ code, stdout }) => [code, stdout.toString()]), [0, 'x']);
});

test('Ctrl-C cancels on the node and ends with 130', async () => {
  programs.set('sleep', async ({ write, cancelled }) => {
    await write('stdout', 'here\n');
    const reason = await cancelled;
    return { exitCode: null, outcome: 'cancelled', errorCode: 'cancelled', errorMessage: reason };
  });
  const running = new RunningCli(['nodes', 'exec', 'web-1', '--', 'sleep'], { home: daemon.home });
  await running.until(({ stdout }) => stdout.includes('here'));
  running.process.kill('SIGINT');
  const { code, signal } = await running.end;
  assert.deepEqual([code, signal], [130, null]);
});

test('a second Ctrl-C lets go and says how to attach again', async () => {
  const go = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  programs.set('stubborn', async ({ write, cancelled }) => {
    void cancelled.then(() => asked.resolve());
    await write('stdout', 'here\n');
    await go.promise;
    await write('stdout', 'and done\n');
    return {};
  });
  const running = new RunningCli(['nodes', 'exec', 'web-1', '--', 'stubborn'], { home: daemon.home });
  await running.until(({ stdout }) => stdout.includes('here'));
  running.process.kill('SIGINT');
  await asked.promise;
  running.process.kill('SIGINT');
  const { code, stderr } = await running.end;
  assert.equal(code, 130);
  const [, id] = /palyra requests watch ([0-9A-Z]{26})/.exec(stderr) ?? [];
  assert.ok(id !== undefined, stderr);
  const watching = cli('requests', 'watch', id);
  go.resolve();
  const again = await watching;
  assert.equal(again.stdout.toString(), 'here\nand done\n');
  assert.equal(again.code, 0);
});

test('when the reader of our output goes, so does the remote program, and nothing is complained of', async () => {
  const cancelled = Promise.withResolvers<string>();
  programs.set('yes', async ({ write, cancelled: asked }) => {
    let stop = false;
    void asked.then((reason) => {
      stop = true;
      cancelled.resolve(reason);
    });
    while (!stop) {
      await Promise.race([write('stdout', 'y\n'.repeat(8192)), asked]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { exitCode: null, outcome: 'cancelled' };
  });
  const running = new RunningCli(['nodes', 'exec', 'web-1', '--', 'yes'], { home: daemon.home });
  await running.until(({ stdout }) => stdout.length > 0);
  running.process.stdout?.destroy();
  const { code, stderr } = await running.end;
  assert.equal(code, 141);
  assert.equal(stderr, '');
  assert.match(await cancelled.promise, /reader/);
});

test('--detach prints the id; --queue-ttl lets a request wait for its node', async () => {
  const detached = await cli('nodes', 'exec', 'away', '--queue-ttl', '1h', '--detach', '--', 'ok');
  assert.equal(detached.code, 0, detached.stderr);
  const shown = await cli('requests', 'show', detached.stdout.toString().trim(), '--json');
  const request = JSON.parse(shown.stdout.toString()) as Record<string, unknown>;
  assert.equal(request['state'], 'queued');
  assert.equal(request['capability'], 'shell.execute');
  assert.equal((await cli('requests', 'cancel', request['request_id'] as string)).code, 0);
});

test('a script is one string, from a flag or from standard input', async () => {
  const line = 'for f in *; do echo "$f"; done && exit 3';
  programs.set(line, ends({ exitCode: 3 }));
  assert.equal((await cli('nodes', 'exec', 'web-1', '--script', line)).code, 3);
  assert.deepEqual(lastInput(), { script: line });
  programs.set('#!/bin/sh\nls\n', ends({}));
  const piped = await runCli(['nodes', 'exec', 'web-1', '--script-file', '-', '--shell', 'sh'], {
    home: daemon.home,
    stdin: '#!/bin/sh\nls\n',
  });
  assert.equal(piped.code, 0, piped.stderr);
  assert.deepEqual(lastInput(), { script: '#!/bin/sh\nls\n', shell: 'sh' });
});
