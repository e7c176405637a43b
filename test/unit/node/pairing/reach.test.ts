import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createServer as createTls } from 'node:tls';
import { systemClock } from '../../../../src/kernel/clock.ts';
import { PalyraError } from '../../../../src/kernel/errors.ts';
import {
  hostConfigPath,
  type NodeHostConfig,
  readHostConfig,
  writeHostConfig,
} from '../../../../src/node/host-config.ts';
import { checkCertificate } from '../../../../src/node/pairing/check-certificate.ts';
import { daemonAddress } from '../../../../src/node/pairing/daemon-address.ts';
import { proxyFor } from '../../../../src/node/pairing/proxy-tunnel.ts';
import { loadWireSchema } from '../../../../src/rpc/schema.ts';
import { writeCsr } from '../../../../src/x509/csr.ts';
import { generateP256, spkiOf } from '../../../../src/x509/key-pair.ts';
import { IdentityHome } from '../../../support/identity-home.ts';
import { PairingDaemon } from '../../../support/pairing-daemon.ts';
import { PairingMachine } from '../../../support/pairing-machine.ts';

const schema = loadWireSchema();
const PIN = '4712345675';

const failsWith = (code: string, hint: RegExp) => (cause: unknown) => {
  assert.ok(cause instanceof PalyraError, String(cause));
  assert.equal(cause.code, code, cause.message);
  assert.match(cause.hint ?? '', hint);
  return true;
};

async function listening(t: TestContext, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

test('an address is a host, a port, or the default port', () => {
  assert.equal(daemonAddress('daemon.example').text, 'daemon.example:7443');
  assert.equal(daemonAddress('192.0.2.1:8443').text, '192.0.2.1:8443');
  assert.equal(daemonAddress('https://daemon.example:7443/').text, 'daemon.example:7443');
  assert.equal(daemonAddress('2001:db8::1').text, '[2001:db8::1]:7443');
  assert.deepEqual(daemonAddress('[2001:db8::1]:99'), { host: '2001:db8::1', port: 99, text: '[2001:db8::1]:99' });
  for (const wrong of ['', 'a b', 'a:0', 'a:70000', 'user@host', '[daemon]:1', 'http://a', 'a:b:c']) {
    assert.throws(() => daemonAddress(wrong), failsWith('usage', /HOST:PORT/), wrong);
  }
});

test('nobody there is not the same as somebody else', async (t) => {
  const machine = new PairingMachine(t, schema);
  const closed = createServer();
  const address = await listening(t, closed);
  await new Promise((resolve) => closed.close(resolve));
  await assert.rejects(machine.pair(PIN, address), failsWith('daemon_unreachable', /palyra daemon status/));
  await assert.rejects(
    machine.pair(PIN, 'no-such-name.invalid'),
    failsWith('daemon_unreachable', /palyra daemon status/),
  );

  const http = await listening(
    t,
    createHttp((_, answer) => void answer.end('hello')),
  );
  await assert.rejects(machine.pair(PIN, http), failsWith('not_a_palyra_daemon', /7443/));
  const mute = await listening(
    t,
    createServer((socket) => void socket.end()),
  );
  await assert.rejects(machine.pair(PIN, mute), failsWith('not_a_palyra_daemon', /7443/));
  // A server of TLS with a certificate of no Palyra authority: here a daemon's leaf without its CA.
  const identity = await IdentityHome.make(t);
  const { chain, key } = identity.identity.serverCredentials();
  const [leaf = ''] = chain.split(/(?<=-----END CERTIFICATE-----\n)/);
  for (const ALPNProtocols of [['h2'], ['http/1.1']]) {
    const foreign = await listening(t, createTls({ cert: leaf, key, minVersion: 'TLSv1.3', ALPNProtocols }));
    await assert.rejects(machine.pair(PIN, foreign), failsWith('not_a_palyra_daemon', /7443/));
  }
});

test('through an HTTP proxy, where the environment names one', async (t) => {
  const daemon = await PairingDaemon.start(t);
  let tunnels = 0;
  const proxy = createHttp();
  proxy.on('connect', (request: IncomingMessage, inner: Socket) => {
    tunnels += 1;
    assert.equal(request.headers['proxy-authorization'], `Basic ${Buffer.from('me:secret').toString('base64')}`);
    assert.equal(request.url, `daemon.example:${daemon.port}`);
    const outer = connect(daemon.port, '127.0.0.1', () => {
      inner.write('HTTP/1.1 200 OK\r\n\r\n');
      inner.pipe(outer).pipe(inner);
    });
    for (const socket of [inner, outer]) socket.on('error', () => undefined).on('close', () => inner.destroy());
  });
  const address = await listening(t, proxy);
  process.env['grpc_proxy'] = `http://me:secret@${address}`;
  t.after(() => {
    delete process.env['grpc_proxy'];
  });
  const machine = new PairingMachine(t, daemon.schema);
  const paired = machine.pair(await daemon.pin(), `daemon.example:${daemon.port}`);
  await daemon.approveNext();
  await paired;
  assert.ok(tunnels >= 3, `${tunnels} tunnels`);
  const refusing = await listening(
    t,
    createHttp().on('connect', (_, socket) => void socket.end('HTTP/1.1 403 No\r\n\r\n')),
  );
  process.env['grpc_proxy'] = `http://${refusing}`;
  const other = new PairingMachine(t, daemon.schema);
  await assert.rejects(other.pair(PIN, daemon.address), failsWith('daemon_unreachable', /no_proxy/));
  assert.equal(proxyFor('a.example', { http_proxy: 'http://p', no_proxy: 'b.example,.example' }), undefined);
  assert.equal(proxyFor('10.1.2.3', { http_proxy: 'http://p', no_proxy: '10.0.0.0/8' }), undefined);
  assert.equal(proxyFor('11.1.2.3', { http_proxy: 'http://p', no_proxy: '10.0.0.0/8' })?.host, 'p');
  assert.equal(proxyFor('a', { http_proxy: 'socks://p' }), undefined);
});

test('row 30: a clock that is far off is told as such', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const machine = new PairingMachine(t, daemon.schema);
  const day = 86_400_000;
  for (const offMs of [-day, 120 * day]) {
    const clock = { ...systemClock, now: () => Date.now() + offMs };
    await assert.rejects(machine.pair(await daemon.pin(), daemon.address, { clock }), failsWith('clock_skew', /clock/));
  }
});

test('a token of another daemon is not even shown to this one', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const other = await PairingDaemon.start(t);
  const actor = { id: 'operator:op1', name: 'op', source: 'unix' };
  const { token } = await other.pairing.mintToken({ autoApprove: true }, actor);
  const machine = new PairingMachine(t, daemon.schema);
  await assert.rejects(machine.pair(token, daemon.address), failsWith('unknown_ca', /address/));
  const paired = await machine.pair(token, other.address);
  assert.equal((await other.pairing.showRequest(paired.requestId)).state, 'completed');
});

test('a certificate for another key or device, or of another authority, is refused', async (t) => {
  const { identity } = await IdentityHome.make(t);
  const foreign = (await IdentityHome.make(t)).identity;
  const key = await generateP256();
  const deviceId = '01K8ZJ4Q2N7M5W3V1T9R6P8XDE' as never;
  const signed = await identity.signDeviceCertificate(spkiOf(key), deviceId);
  const ca = identity.caCertificate;
  const chain = [signed.der, ca.raw];
  const bundle = identity.caBundleDer();
  const expected = { key, deviceId, ca };
  checkCertificate(chain, bundle, expected);
  const refused = (chainDer: Buffer[], bundleDer: Buffer[], change = {}) =>
    assert.throws(
      () => checkCertificate(chainDer, bundleDer, { ...expected, ...change }),
      failsWith('daemon_not_proven', /code/),
    );
  refused(chain, bundle, { key: await generateP256() });
  refused(chain, bundle, { deviceId: '01K8ZJ4Q2N7M5W3V1T9R6P8XDF' });
  refused(chain, bundle, { ca: foreign.caCertificate });
  refused([(await foreign.signDeviceCertificate(spkiOf(key), deviceId)).der, ca.raw], bundle);
  refused([signed.der, foreign.caCertificate.raw], bundle);
  refused([], bundle);
  refused(chain, []);
  refused(chain, [...bundle, signed.der]);
  assert.ok((await writeCsr(key)).length < 2048);
});

test('node-host.json comes back as it was written, and a damaged one is left alone', async (t) => {
  const machine = new PairingMachine(t, schema);
  const { nodeHome } = machine;
  assert.equal(readHostConfig(nodeHome), undefined);
  const config: NodeHostConfig = {
    schema_version: 1,
    device_id: '01K8ZJ4Q2N7M5W3V1T9R6P8XDE',
    name: 'web-1',
    grpc_url: 'https://daemon.example:7443',
    identity_store_dir: join(nodeHome, 'identity'),
    paired_at_unix_ms: 1_700_000_000_000,
    pairing_request_id: '01K8ZJ4Q2N7M5W3V1T9R6P8XYA',
    daemon_id: null,
  };
  await writeHostConfig(nodeHome, config);
  assert.deepEqual(readHostConfig(nodeHome), config);
  const path = hostConfigPath(nodeHome);
  for (const damage of ['{"schema_version":1', '{}', '[]', JSON.stringify({ ...config, device_id: 'x' }), '']) {
    writeFileSync(path, damage);
    assert.throws(() => readHostConfig(nodeHome), failsWith('node_config_damaged', /palyra node pair/));
    await assert.rejects(writeHostConfig(nodeHome, config), failsWith('node_config_damaged', /palyra node pair/));
    await assert.rejects(machine.pair(PIN, '127.0.0.1:1'), failsWith('node_config_damaged', /palyra node pair/));
    assert.equal(readFileSync(path, 'utf8'), damage);
  }
  writeFileSync(path, JSON.stringify(config));
  chmodSync(path, 0o644);
  assert.throws(() => readHostConfig(nodeHome), failsWith('credential_unsafe', /chmod/));
  mkdirSync(join(machine.home, 'other'));
});
