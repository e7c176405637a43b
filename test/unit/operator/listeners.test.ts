import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { OperatorClient } from '../../../src/cli/operator-client.ts';
import { tcpEndpoint } from '../../../src/wire/daemon-proof.ts';
import { adminTokenPath } from '../../../src/wire/operator-place.ts';
import { makeOperatorToken } from '../../../src/wire/operator-token.ts';
import { OperatorDaemon } from '../../support/operator-daemon.ts';
import { codeOf, rawCall } from '../../support/raw-http.ts';
import { skipUnless } from '../../support/require.ts';
import { ScriptedNode } from '../../support/scripted-node.ts';

const failsWith = (code: string) => (cause: unknown) => (cause as { code?: string }).code === code;

test('the first start makes an admin token for its owner alone; later starts and an empty database keep it', async () => {
  const first = await OperatorDaemon.start();
  const { home, adminToken } = first;
  assert.equal(statSync(adminTokenPath(home)).mode & 0o777, 0o600);
  assert.equal(statSync(join(home, 'daemon')).mode & 0o777, 0o700);
  assert.equal(statSync(join(home, 'daemon', 'operator.sock')).mode & 0o777, 0o600);
  const database = readFileSync(join(home, 'daemon', 'palyra.db')).toString('latin1');
  const wal = readFileSync(join(home, 'daemon', 'palyra.db-wal')).toString('latin1');
  assert.ok(!`${database}${wal}`.includes(adminToken.slice(22)), 'the secret is in no table');
  await first.stop({ keep: true });

  const second = await OperatorDaemon.start({ home });
  assert.equal(second.adminToken, adminToken);
  await second.client().call('GET', '/api/v1/version');
  await second.stop({ keep: true });

  for (const name of ['palyra.db', 'palyra.db-wal', 'palyra.db-shm'])
    rmSync(join(home, 'daemon', name), { force: true });
  const third = await OperatorDaemon.start({ home });
  await third.client().call('GET', '/api/v1/version');
  await third.stop();
});

test('an admin token that was removed stays away while there is another admin, and comes back when there is none', async () => {
  const first = await OperatorDaemon.start();
  const { home } = first;
  rmSync(adminTokenPath(home));
  await first.stop({ keep: true });
  const second = await OperatorDaemon.start({ home });
  assert.ok(!existsSync(adminTokenPath(home)), 'its row is an admin that somebody may hold');
  await second.store.write((tx) => tx.updateTable('operators').set({ revoked_at_unix_ms: 1 }).execute());
  await second.stop({ keep: true });
  const third = await OperatorDaemon.start({ home });
  await third.client().call('GET', '/api/v1/version');
  await third.stop();
});

test('row 39: a token file that others can read is refused by the daemon and by the client', async () => {
  const daemon = await OperatorDaemon.start();
  const { home } = daemon;
  chmodSync(adminTokenPath(home), 0o644);
  assert.throws(() => daemon.adminToken, failsWith('credential_unsafe'));
  await daemon.listeners.stop();
  await daemon.store.close();
  await assert.rejects(OperatorDaemon.start({ home }), failsWith('credential_unsafe'));
  rmSync(home, { recursive: true, force: true });
});

test('a stale socket is replaced, a live one and a file are not', async () => {
  const home = mkdtempSync(join(tmpdir(), 'palyra-op-'));
  mkdirSync(join(home, 'daemon'), { mode: 0o700 });
  const path = join(home, 'daemon', 'operator.sock');
  // What a killed daemon leaves: a socket file that nobody listens on.
  const killed = createNetServer();
  await new Promise<void>((resolve) => killed.listen(path, resolve));
  const { execFileSync } = await import('node:child_process');
  execFileSync('cp', ['-a', path, `${path}.kept`]);
  await new Promise((resolve) => killed.close(resolve));
  execFileSync('mv', [`${path}.kept`, path]);
  const daemon = await OperatorDaemon.start({ home });
  await assert.rejects(OperatorDaemon.start({ home }), failsWith('daemon_already_running'));
  await daemon.client().call('GET', '/api/v1/version');
  await daemon.stop({ keep: true });
  assert.ok(!existsSync(path), 'a clean stop leaves no socket');
  writeFileSync(path, 'not a socket');
  await assert.rejects(OperatorDaemon.start({ home }), failsWith('config_invalid'));
  rmSync(home, { recursive: true, force: true });
});

test('a home whose socket path is too long for the system works all the same', {
  skip: skipUnless(process.platform === 'linux', 'only Linux has /proc/self/fd'),
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'palyra-op-'));
  const home = join(folder, 'x'.repeat(60), 'y'.repeat(60));
  const daemon = await OperatorDaemon.start({ home });
  assert.ok(Buffer.byteLength(daemon.listeners.socketPath ?? '') > 107);
  await daemon.client().call('GET', '/api/v1/version');
  await daemon.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('operators are served on loopback only', async () => {
  for (const tcp of ['0.0.0.0:0', '192.0.2.1:7480', '[::]:0', 'localhost:0', '127.0.0.1', '127.0.0.1:99999']) {
    await assert.rejects(OperatorDaemon.start({ tcp }), failsWith('config_invalid'), tcp);
  }
});

test('a taken port is told as such, and the socket is given back', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };
  const home = mkdtempSync(join(tmpdir(), 'palyra-op-'));
  await assert.rejects(OperatorDaemon.start({ home, tcp: `127.0.0.1:${port}` }), failsWith('port_taken'));
  assert.ok(!existsSync(join(home, 'daemon', 'operator.sock')));
  await new Promise((resolve) => other.close(resolve));
  rmSync(home, { recursive: true, force: true });
});

const tcpClient = (port: number, token: string): OperatorClient =>
  new OperatorClient({ endpoints: [{ kind: 'tcp', host: '127.0.0.1', port }], named: true, token });

test('over TCP the daemon proves itself before the token is sent', async () => {
  const daemon = await OperatorDaemon.start({ tcp: '127.0.0.1:0' });
  const port = daemon.listeners.tcpPort ?? 0;
  const client = tcpClient(port, daemon.adminToken);
  await client.call('GET', '/api/v1/version');
  await Promise.all([1, 2, 3].map(() => client.call('GET', '/api/v1/version')));
  client.close();
  const stranger = tcpClient(port, makeOperatorToken('admin').text);
  await assert.rejects(stranger.call('GET', '/api/v1/version'), failsWith('daemon_not_proven'));
  stranger.close();
  const typo = tcpClient(port, daemon.adminToken.slice(0, -1));
  await assert.rejects(typo.call('GET', '/api/v1/version'), failsWith('unauthenticated'));
  typo.close();
  await daemon.stop();
});

test('who took the port never sees the token, not even by asking the real daemon', async () => {
  const daemon = await OperatorDaemon.start({ tcp: '127.0.0.1:0' });
  const seen: string[] = [];
  const impostor = createServer((incoming, outgoing) => {
    seen.push(`${incoming.url} ${incoming.headers.authorization ?? ''}`);
    // Passes the question on, with the Host that the real daemon wants.
    const relay = request(
      {
        host: '127.0.0.1',
        port: daemon.listeners.tcpPort ?? 0,
        path: incoming.url ?? '/',
        headers: { host: `127.0.0.1:${daemon.listeners.tcpPort}` },
      },
      (answer) => answer.pipe(outgoing.writeHead(answer.statusCode ?? 502, { 'content-type': 'application/json' })),
    );
    relay.end();
  });
  await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
  const { port } = impostor.address() as { port: number };
  const client = tcpClient(port, daemon.adminToken);
  await assert.rejects(client.call('GET', '/api/v1/version'), failsWith('daemon_not_proven'));
  assert.equal(seen.length, 1);
  assert.ok(!seen.join().includes('Bearer') && !seen.join().includes(daemon.adminToken.slice(22)));
  client.close();
  impostor.closeAllConnections();
  await new Promise((resolve) => impostor.close(resolve));
  await daemon.stop();
});

test('the proof of an unknown token looks like any other', async () => {
  const daemon = await OperatorDaemon.start({ tcp: '127.0.0.1:0' });
  const ask = (id: string) =>
    rawCall({ port: daemon.listeners.tcpPort, path: `/api/v1/hello?id=${id}&nonce=${'n'.repeat(43)}` });
  const known = await ask(daemon.adminToken.split('_')[2] ?? '');
  const unknown = await ask('0123456789');
  assert.equal(unknown.status, 200);
  assert.equal(known.text.length, unknown.text.length);
  assert.equal((await ask('0123456789')).text, unknown.text, 'also when asked twice');
  assert.equal(tcpEndpoint('::ffff:127.0.0.1', 80), '127.0.0.1:80');
  await daemon.stop();
});

test('draining ends streams with a reason, refuses new work, lets nothing hang and stops listening', async () => {
  const daemon = await OperatorDaemon.start();
  const deviceId = await daemon.addDevice('web-1');
  const go = Promise.withResolvers<void>();
  const node = new ScriptedNode(deviceId, async ({ write }) => {
    await write('stdout', 'x');
    await go.promise;
    return undefined;
  });
  node.connect(daemon.dispatcher);
  const { socketPath } = daemon.listeners;
  const body = { node: 'web-1', capability: 'shell.execute', input: { argv: ['x'] } };
  const stream = rawCall({
    socketPath,
    method: 'POST',
    path: '/api/v1/requests?watch=1',
    token: daemon.adminToken,
    body,
  });
  // A kept connection that is in the middle of nothing must not hold the stop up either.
  const idle = daemon.client();
  await idle.call('GET', '/api/v1/version');
  while (node.orders.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const before = performance.now();
  await daemon.listeners.drain();
  assert.ok(performance.now() - before < 900, 'nothing had to be cut');
  const last = (await stream).text.trim().split('\n').at(-1) ?? '';
  assert.equal((JSON.parse(last) as { error: { code: string } }).error.code, 'daemon_draining');
  await assert.rejects(rawCall({ socketPath, path: '/healthz' }), failsWith('ENOENT'));
  go.resolve();
  while (daemon.dispatcher.open > 0) await new Promise((resolve) => setImmediate(resolve));
  await daemon.stop();
});

test('health and readiness answer without a token, and say why with ?verbose', async () => {
  const daemon = await OperatorDaemon.start({ tcp: '127.0.0.1:0' });
  const { tcpPort: port } = daemon.listeners;
  assert.deepEqual((await rawCall({ port, path: '/healthz' })).json, { status: 'ok' });
  const ready = await rawCall({ port, path: '/readyz?verbose' });
  assert.deepEqual(ready.json, { status: 'ok', checks: { store: true, not_draining: true } });
  const head = await rawCall({ port, path: '/healthz', method: 'HEAD' });
  assert.equal(head.status, 200);
  await daemon.stop();
});

test('a request head that is too large, or a path that cannot be read, is refused', async () => {
  const daemon = await OperatorDaemon.start({ tcp: '127.0.0.1:0' });
  const { tcpPort: port } = daemon.listeners;
  const answer = await rawCall({ port, path: '/healthz', headers: { 'x-large': 'x'.repeat(20_000) } });
  assert.equal(answer.status, 431);
  assert.equal(codeOf(await rawCall({ port, path: '/%zz' })), 'not_found');
  await daemon.stop();
});
