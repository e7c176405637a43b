import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DaemonProcess } from '../support/daemon-process.ts';
import { runCli } from '../support/run-cli.ts';

function freshHome(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'palyra-serve-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

async function started(t: TestContext, home: string, options = {}): Promise<DaemonProcess> {
  const daemon = await DaemonProcess.start(home, options);
  t.after(() => daemon.stop('SIGKILL'));
  return daemon;
}

test('a first start makes authority, keys and the admin credential, private ones; a stop on SIGTERM ends with 0', async (t) => {
  const home = freshHome(t);
  const daemon = await started(t, home);
  const folder = join(home, 'daemon');
  for (const name of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const mode = statSync(join(name.parentPath, name.name)).mode & 0o777;
    assert.equal(mode & 0o077, 0, `${name.name} is ${mode.toString(8)}`);
  }
  const authority = readFileSync(join(folder, 'ca', readdirSync(join(folder, 'ca'))[0] ?? ''));

  const status = await runCli(['daemon', 'status', '--json'], { home });
  assert.equal(status.code, 0, status.stderr);
  const told = JSON.parse(status.stdout.toString()) as Record<string, unknown>;
  assert.equal(told['running'], true);
  assert.equal(told['ready'], true);
  assert.equal(told['pid'], daemon.cli.process.pid);
  assert.equal(told['node_address'], daemon.ready.node_address);

  for (const path of ['/healthz', '/readyz']) {
    const answer = await fetch(`http://${daemon.ready.operator_address}${path}`);
    assert.equal(answer.status, 200, await answer.text());
  }
  assert.equal(await daemon.stop(), 0);
  assert.match(daemon.cli.stderr, /the daemon has stopped/);
  assert.equal((await runCli(['daemon', 'status'], { home })).code, 4);
  assert.equal(existsSync(join(folder, 'operator.sock')), false);

  const again = await started(t, home);
  assert.deepEqual(readFileSync(join(folder, 'ca', readdirSync(join(folder, 'ca'))[0] ?? '')), authority);
  assert.equal(await again.stop(), 0);
});

test('a second daemon on the same home is refused and harms nothing; after kill -9 the next one starts', async (t) => {
  const home = freshHome(t);
  const first = await started(t, home);
  const second = await runCli(['daemon', 'serve', '--node-listen', '127.0.0.1:0'], { home });
  assert.equal(second.code, 7);
  assert.match(second.stderr, new RegExp(`process ${first.cli.process.pid} runs on .* \\[daemon_already_running\\]`));
  assert.equal((await runCli(['pairing', 'code'], { home })).code, 0, 'the first one goes on');
  await first.stop('SIGKILL');
  const status = await runCli(['daemon', 'status', '--json'], { home });
  assert.equal((JSON.parse(status.stdout.toString()) as { running: boolean }).running, false);
  const third = await started(t, home);
  assert.equal(await third.stop(), 0);
});

test('a port that another program has is named, and nothing stays open', async (t) => {
  const home = freshHome(t);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.after(() => other.close());
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  for (const flags of [
    ['--node-listen', `127.0.0.1:${port}`, '--operator-listen', 'none'],
    ['--node-listen', '127.0.0.1:0', '--operator-listen', `127.0.0.1:${port}`],
  ]) {
    const refused = await runCli(['daemon', 'serve', ...flags], { home });
    assert.equal(refused.code, 7, refused.stderr);
    assert.match(refused.stderr, new RegExp(`127.0.0.1:${port} \\[port_taken\\]`));
    assert.match(refused.stderr, /hint: .*-listen/);
  }
  assert.equal(await (await started(t, home)).stop(), 0);
});

test('settings that are wrong stop the start before anything is made', async (t) => {
  const home = freshHome(t);
  for (const [env, pattern] of [
    [{ PALYRA_NODE_LISTEN: 'nowhere' }, /"nowhere" is not an address/],
    [{ PALYRA_OPERATOR_LISTEN: '0.0.0.0:7480' }, /only served on loopback/],
    [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, /turn the verification of TLS off/],
  ] as const) {
    const refused = await runCli(['daemon', 'serve'], { home, env });
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, pattern);
    assert.deepEqual(readdirSync(home), [], 'nothing was made');
  }
});

test('a damaged database is set aside, and the daemon starts', async (t) => {
  const home = freshHome(t);
  await (await started(t, home)).stop();
  const path = join(home, 'daemon', 'palyra.db');
  writeFileSync(path, Buffer.alloc(8192, 'not a database'));
  const daemon = await started(t, home);
  assert.match(daemon.cli.stderr, /the database is damaged and was set aside/);
  const aside = readdirSync(join(home, 'daemon')).filter((name) => name.includes('.damaged-'));
  assert.ok(aside.some((name) => readFileSync(join(home, 'daemon', name)).includes('not a database')));
  assert.equal(await daemon.stop(), 0);
});
