import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { OperatorDaemon } from '../../support/operator-daemon.ts';
import { runCli } from '../../support/run-cli.ts';
import { ScriptedNode } from '../../support/scripted-node.ts';

let daemon: OperatorDaemon;
before(async () => {
  daemon = await OperatorDaemon.start({ tcp: '127.0.0.1:0' });
  const id = await daemon.addDevice('web-1');
  await daemon.addDevice('evil\u001b]52;c;eA==\u0007\u202e');
  const node = new ScriptedNode(id, async ({ order, input, write }) => {
    if (order.capability === 'echo') return { exitCode: null, outcome: 'succeeded', outputJson: JSON.stringify(input) };
    await write('stdout', 'hi\n');
    return { exitCode: 3 };
  });
  node.connect(daemon.dispatcher);
});
after(() => daemon.stop());

const cli = (...argv: string[]) => runCli(argv, { home: daemon.home });
const json = async (...argv: string[]): Promise<Record<string, never>> => {
  const { code, stdout, stderr } = await cli(...argv, '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout.toString()) as Record<string, never>;
};

test('nodes list: one document with the promised names, a table without hostile bytes, names alone', async () => {
  const { nodes, next_cursor: cursor } = (await json('nodes', 'list')) as unknown as {
    nodes: { name: string; presence: string; capabilities: object[] }[];
    next_cursor: null;
  };
  const web = nodes.find(({ name }) => name === 'web-1');
  assert.equal(web?.presence, 'offline');
  assert.deepEqual(Object.keys(web?.capabilities[0] ?? {}).slice(0, 2), ['name', 'available']);
  assert.equal(cursor, null);
  const table = await cli('nodes', 'ls');
  assert.match(table.stdout.toString(), /^NAME +PRESENCE +TRUST +PLATFORM/);
  assert.doesNotMatch(table.stdout.toString(), /(?!\n)[\p{Cc}\u202a-\u202e]/u);
  const names = await cli('nodes', 'list', '-o', 'name', '--search', 'web');
  assert.equal(names.stdout.toString(), 'web-1\n');
  const lines = await cli('nodes', 'list', '-o', 'ndjson');
  assert.equal(lines.stdout.toString().trim().split('\n').length, 2);
  const page = await cli('nodes', 'list', '--limit', '1');
  assert.match(page.stderr, /^more: --cursor \S+$/m);
});

test('describe tells one node, and a missing one ends with 6', async () => {
  assert.equal((await json('nodes', 'describe', 'web-1'))['name'], 'web-1');
  assert.match((await cli('nodes', 'describe', 'web-1')).stdout.toString(), /^name +web-1$/m);
  const missing = await cli('nodes', 'describe', 'nobody');
  assert.deepEqual([missing.code, missing.stdout.length], [6, 0]);
  assert.match(missing.stderr, /^error: .*\[node_not_found\]\n {2}hint: palyra nodes list$/m);
});

test('invoke prints the structured output; a failed program is not success', async () => {
  const echo = await cli('nodes', 'invoke', 'web-1', 'echo', '--input', '{"a":[1,"ü"]}');
  assert.deepEqual(JSON.parse(echo.stdout.toString()), { a: [1, 'ü'] });
  const shell = await cli('nodes', 'invoke', 'web-1', 'shell.execute', '--input', '{"argv":["x"]}');
  assert.deepEqual([shell.code, shell.stdout.toString()], [3, 'hi\n']);
  const document = await cli('nodes', 'invoke', 'web-1', 'shell.execute', '--input', '{"argv":["x"]}', '--json');
  assert.equal(document.code, 3);
  assert.equal((JSON.parse(document.stdout.toString()) as { stdout: string }).stdout, 'hi\n');
  const piped = await runCli(['nodes', 'invoke', 'web-1', 'echo', '--input', '-'], { home: daemon.home, stdin: '[7]' });
  assert.deepEqual(JSON.parse(piped.stdout.toString()), [7]);
  assert.equal((await cli('nodes', 'invoke', 'web-1', 'echo', '--input', '{oops')).code, 2);
});

test('pairing code prints the PIN alone on standard output', async () => {
  const { code, stdout, stderr } = await cli(
    'pairing',
    'code',
    '--ttl',
    '1h',
    '--name',
    'web-7',
    '--label',
    'role=web',
  );
  assert.equal(code, 0);
  assert.equal(stdout.toString(), '1234567890\n');
  assert.match(stderr, /palyra node pair 1234567890 --daemon HOST/);
  assert.deepEqual(Object.keys(await json('pairing', 'code')), ['pin', 'code_id', 'expires_at_unix_ms']);
  assert.deepEqual(daemon.pairing.codes[0]?.labels, { role: 'web' });
  const last = daemon.pairing.codes.at(-1)?.codeId ?? '';
  assert.equal((await cli('pairing', 'revoke', last)).code, 0);
  assert.equal((await cli('pairing', 'revoke', last)).code, 6);
});

test('approve grants exactly what it prints, and --capability narrows', async () => {
  const first = daemon.pairing.add();
  const { code, stderr, stdout } = await cli('pairing', 'approve', first.requestId);
  assert.equal(code, 0, stderr);
  assert.equal(stdout.length, 0);
  const [, printed] = /^grants: (.*)$/m.exec(stderr) ?? [];
  assert.equal(printed, daemon.pairing.decisions.at(-1)?.grant.join(', '));
  assert.match(stderr, /does not grant: shell\.execute/);
  assert.match(stderr, /short string 123456/);

  daemon.pairing.add({ name: 'web-10' });
  assert.equal((await cli('nodes', 'approve', 'web-10', '--capability', 'echo')).code, 0);
  assert.deepEqual(daemon.pairing.decisions.at(-1)?.grant, ['echo']);

  const third = daemon.pairing.add({ name: 'web-11' });
  const tooMuch = await cli('pairing', 'approve', 'web-11', '--capability', 'shell.execute');
  assert.equal(tooMuch.code, 2);
  assert.equal(daemon.pairing.requests.find((one) => one.requestId === third.requestId)?.state, 'pending_approval');
  assert.equal((await cli('nodes', 'reject', 'web-11', '--reason', 'unknown')).code, 0);
  assert.equal((await cli('pairing', 'approve', 'web-11')).code, 7);
});

test('pairing list, show and nodes pending', async () => {
  const { requestId } = daemon.pairing.add({ name: 'web-12' });
  const all = (await json('pairing', 'list')) as unknown as { requests: { request_id: string; state: string }[] };
  assert.ok(all.requests.length > 1);
  const pending = (await json('nodes', 'pending')) as unknown as typeof all;
  assert.deepEqual(
    pending.requests.map((one) => one.request_id),
    [requestId],
  );
  assert.match((await cli('pairing', 'list')).stdout.toString(), /^REQUEST +STATE +NAME +STRING/);
  assert.match((await cli('pairing', 'show', 'web-12')).stdout.toString(), /^short string +123456/m);
});

test('revoke asks, and without a terminal wants --yes', async () => {
  const refused = await cli('nodes', 'revoke', 'web-1');
  assert.equal(refused.code, 2);
  assert.equal(daemon.revoked.length, 0);
  const done = await cli('nodes', 'revoke', 'evil\u001b]52;c;eA==\u0007\u202e', '--yes');
  assert.equal(done.code, 2, 'a name with control characters is no reference');
});

test('requests are listed and shown as a table', async () => {
  await cli('nodes', 'exec', 'web-1', '--', 'ls', '-la');
  assert.match((await cli('requests', 'list', '--state', 'failed')).stdout.toString(), /failed +3 .* ls -la/);
  const { requests } = (await json('requests', 'list', '--limit', '1')) as unknown as {
    requests: { request_id: string }[];
  };
  const shown = await cli('requests', 'show', requests[0]?.request_id ?? '');
  assert.match(shown.stdout.toString(), /^exit code +3$/m);
});

test('a role that is not enough ends with 5, a wrong token with 3', async () => {
  const viewer = await daemon.addOperator('viewer');
  const asViewer = (...argv: string[]) => runCli(argv, { home: daemon.home, env: { PALYRA_TOKEN: viewer } });
  assert.equal((await asViewer('nodes', 'list')).code, 0);
  assert.equal((await asViewer('pairing', 'code')).code, 5);
  const wrong = await runCli(['nodes', 'list'], { home: daemon.home, env: { PALYRA_TOKEN: `${viewer}x` } });
  assert.equal(wrong.code, 3);
});

test('PALYRA_DAEMON names the daemon, by socket or by proven loopback', async () => {
  const elsewhere = '/nonexistent-home';
  const env = { PALYRA_TOKEN: daemon.adminToken };
  const at = (address: string) =>
    runCli(['nodes', 'list', '-o', 'name'], { home: elsewhere, env: { ...env, PALYRA_DAEMON: address } });
  assert.equal((await at(`unix:${daemon.listeners.socketPath}`)).code, 0);
  assert.equal((await at(`http://127.0.0.1:${daemon.listeners.tcpPort}`)).code, 0);
  assert.equal((await at('http://192.0.2.1:7480')).code, 2);
  assert.equal((await at('127.0.0.1:1')).code, 4);
});

test('config show says where each setting comes from, and never the token', async () => {
  const { code, stdout } = await runCli(['config', 'show', '--json'], {
    home: daemon.home,
    env: { PALYRA_TOKEN: daemon.adminToken },
  });
  assert.equal(code, 0);
  assert.ok(!stdout.toString().includes(daemon.adminToken));
  const { settings } = JSON.parse(stdout.toString()) as { settings: { name: string; origin: string }[] };
  assert.deepEqual(
    settings.map(({ name, origin }) => `${name} ${origin}`),
    ['home PALYRA_HOME', 'daemon default', 'token PALYRA_TOKEN', 'token_file default'],
  );
});

test('a reader that closes our output early is no failure', async () => {
  const { spawn } = await import('node:child_process');
  const shell = spawn(
    'sh',
    ['-c', '"$@" | head -c 1; exit 0', 'sh', process.execPath, 'src/main.ts', 'nodes', 'list', '--json'],
    {
      env: { PATH: process.env['PATH'], PALYRA_HOME: daemon.home },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const stderr: Buffer[] = [];
  shell.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  await new Promise((resolve) => shell.once('close', resolve));
  assert.equal(Buffer.concat(stderr).toString(), '');
});

test('every operator command has a sentence, an example, and takes no argument from standard input', async () => {
  const { COMMANDS } = await import('../../../src/cli/generated/command-map.ts');
  const ids = Object.keys(COMMANDS).filter((id) => /^(nodes|pairing|requests|config):/.test(id));
  assert.ok(ids.length >= 16, ids.join());
  for (const id of ids) {
    const command = (await COMMANDS[id]?.())?.default;
    assert.match(command?.summary ?? '', /^[A-Z].*\.$/, id);
    assert.ok((command?.examples?.length ?? 0) > 0, id);
    for (const arg of Object.values(command?.args ?? {})) assert.equal(arg.ignoreStdin, true, id);
  }
});
