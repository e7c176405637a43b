// Who reaches what at the node port: certificates as an attacker has them, against a daemon as it runs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { Client, ServiceDefinition } from '@grpc/grpc-js';
import { openCa } from '../../../src/identity/ca-files.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { dialDaemon } from '../../../src/rpc/dial.ts';
import { assertEveryMethodDecided, deviceByCertificate } from '../../../src/rpc/enforce-cert-bound-device.ts';
import { errorOfCall } from '../../../src/rpc/status.ts';
import { certificatesPem } from '../../../src/x509/certificate.ts';
import { issueCa, issueDeviceLeaf } from '../../../src/x509/issue.ts';
import { generateP256, privateKeyPem, spkiOf } from '../../../src/x509/key-pair.ts';
import { DAEMON_NAME } from '../../../src/x509/names.ts';
import { NodePort } from '../../support/node-port.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** What a call with an empty message gets; undefined: an answer. */
function call(client: Client, { path, requestStream, responseStream }: ServiceDefinition[string]): Promise<unknown> {
  const nothing = (): Buffer => Buffer.alloc(0);
  const bytes = (buffer: Buffer): Buffer => buffer;
  return new Promise((resolve) => {
    const failed = (error: unknown): void => resolve(errorOfCall(error, 'daemon'));
    if (!requestStream && !responseStream) {
      client.makeUnaryRequest(path, nothing, bytes, {}, (error) =>
        error === null ? resolve(undefined) : failed(error),
      );
      return;
    }
    if (!requestStream) {
      const down = client.makeServerStreamRequest(path, nothing, bytes, {});
      down.on('error', failed).on('data', () => resolve(undefined));
      return;
    }
    const stream = client.makeBidiStreamRequest(path, nothing, bytes);
    stream.on('error', failed).on('data', () => resolve(undefined));
    stream.write({});
    stream.end();
    stream.on('end', () => resolve(undefined));
  });
}

const codeOf = (error: unknown): string => (error instanceof PalyraError ? error.code : String(error));

test('row 21: without a certificate nothing but pairing answers, whatever the method', async (t) => {
  const port = await NodePort.start(t, 1);
  const client = dialDaemon({ address: port.address, ca: port.ca });
  t.after(() => client.close());
  const methods = Object.values(port.schema.node);
  assert.equal(methods.length, 5);
  for (const method of methods) {
    assert.equal(codeOf(await call(client, method)), 'certificate_required', method.path);
  }
  for (const method of Object.values(port.schema.pairing)) {
    const error = await call(client, method);
    assert.notEqual(codeOf(error), 'certificate_required', method.path);
    assert.notEqual(codeOf(error), 'internal', method.path);
  }
  assert.equal(port.daemon.nodes, 0);
});

test('row 21: a method that nobody decided about is refused, and stops the daemon from starting', async (t) => {
  const port = await NodePort.start(t, 1);
  const client = dialDaemon({ address: port.address, ca: port.ca, identity: port.device(0) });
  t.after(() => client.close());
  const [known] = Object.values(port.schema.node);
  assert.ok(known !== undefined);
  for (const path of [
    '/palyra.node.v1.NodeService/Unheard',
    '/palyra.node.v1.NodeService/__proto__',
    '/x/constructor',
  ]) {
    const error = await call(client, { ...known, path });
    assert.ok(error instanceof PalyraError, path);
    assert.equal(port.daemon.nodes, 0);
  }
  const undecided = { Unheard: { ...known, path: '/palyra.node.v1.NodeService/Unheard' } };
  assert.throws(() => assertEveryMethodDecided([undecided]), /no access rule for/);
});

test('row 22: foreign, expired, premature and misused certificates are none', async (t) => {
  const port = await NodePort.start(t, 1);
  const now = systemClock.now();
  const folder = join(port.home, 'daemon');
  const ca = await openCa({
    folder: join(folder, 'ca'),
    now: () => now,
    leafPath: join(folder, 'identity', 'daemon.pem'),
  });
  const { deviceId } = port.device(0);

  const foreignKey = await generateP256();
  const foreignDer = await issueCa(foreignKey, { nowUnixMs: now, lifetimeMs: DAY_MS });
  const { X509Certificate } = await import('node:crypto');
  const foreignCa = { key: foreignKey, certificate: new X509Certificate(foreignDer) };

  const key = await generateP256();
  const leaf = async (issuer: typeof foreignCa, fromUnixMs: number, lifetimeMs: number): Promise<string> =>
    certificatesPem([await issueDeviceLeaf(issuer, spkiOf(key), deviceId, { nowUnixMs: fromUnixMs, lifetimeMs })]);
  const daemonPem = readFileSync(join(folder, 'identity', 'daemon.pem'), 'utf8');
  const own = privateKeyPem(key);
  const attempts = {
    'of a foreign authority with our names': { chain: await leaf(foreignCa, now, DAY_MS), key: own },
    'the foreign authority itself': { chain: certificatesPem([foreignDer]), key: privateKeyPem(foreignKey) },
    'run out': { chain: await leaf(ca, now - 3 * DAY_MS, DAY_MS), key: own },
    'not valid yet': { chain: await leaf(ca, now + 3 * DAY_MS, DAY_MS), key: own },
    'the leaf of the daemon': { chain: daemonPem, key: daemonPem },
  };
  for (const [what, identity] of Object.entries(attempts)) {
    const client = dialDaemon({ address: port.address, ca: port.ca, identity });
    for (const method of Object.values(port.schema.node)) {
      assert.equal(codeOf(await call(client, method)), 'certificate_required', `${what}: ${method.path}`);
    }
    client.close();
  }
  // Well signed, of a real device, and yet not in the map.
  const unknown = dialDaemon({
    address: port.address,
    ca: port.ca,
    identity: { chain: await leaf(ca, now, DAY_MS), key: own },
  });
  for (const method of Object.values(port.schema.node)) {
    assert.equal(codeOf(await call(unknown, method)), 'certificate_unknown', method.path);
  }
  unknown.close();
  assert.equal(port.daemon.nodes, 0);
});

test('row 23: no session is resumed, so no certificate outlives its end', async (t) => {
  const port = await NodePort.start(t, 1);
  const { chain, key } = port.device(0);
  const dial = (session?: Buffer) =>
    connectTls({
      host: '127.0.0.1',
      port: port.portNumber,
      servername: DAEMON_NAME,
      ca: port.ca,
      cert: chain,
      key,
      ALPNProtocols: ['h2'],
      ...(session !== undefined && { session }),
    });
  const first = dial();
  const tickets: Buffer[] = [];
  first.on('session', (ticket: Buffer) => tickets.push(ticket));
  // The server speaks first in HTTP/2: what it sends after the handshake would come with or before this.
  await new Promise((resolve) => first.once('data', resolve));
  const saved = [first.getSession(), ...tickets].filter((ticket) => ticket !== undefined);
  assert.ok(saved.length > 0);
  first.destroy();
  for (const ticket of saved) {
    const again = dial(ticket);
    await new Promise((resolve) => again.once('data', resolve));
    assert.equal(again.isSessionReused(), false);
    again.destroy();
  }
  t.diagnostic(`${saved.length} saved sessions were tried`);
});

test('row 23: a certificate that ended, or a device that lost its trust, is refused at the next call', () => {
  const clock = { ...systemClock, now: () => 1_000 };
  const device = { deviceId: 'd', certificateState: 'current', notAfterUnixMs: 1_001, trust: 'trusted' } as const;
  const decide = (facts: object): (() => unknown) => {
    const identity = { deviceOf: () => ({ ...device, ...facts }) as never };
    return () => deviceByCertificate({ identity, clock }, 'AA', 'device');
  };
  const refused = (code: string) => (error: unknown) => codeOf(error) === code;
  assert.doesNotThrow(decide({}));
  assert.throws(decide({ notAfterUnixMs: 1_000 }), refused('certificate_expired'));
  for (const trust of ['revoked', 'suspended', 'removed']) assert.throws(decide({ trust }), refused(`device_${trust}`));
  assert.throws(decide({ trust: 'enrolling' }), refused('device_not_registered'));
});

test('row 26: a revocation cuts the live stream at once, and ends what waits for the device', async (t) => {
  const port = await NodePort.start(t, 1);
  const session = await port.session(0);
  const running = await port.ask(0);
  await session.untilDispatched(running);
  const output = (offset: number) => ({
    output: { request_id: running, channel: 1, offset, data: Buffer.from('secret') },
  });
  session.stream.send(output(0));

  const from = systemClock.monotonic();
  await port.revoke(0);
  const cause = await session.ended;
  const tookMs = systemClock.monotonic() - from;
  assert.equal(codeOf(cause), 'device_revoked');
  assert.ok(tookMs < 1_000, `it took ${tookMs} ms`);
  t.diagnostic(`the stream ended ${tookMs.toFixed(1)} ms after the revocation was asked for`);

  session.stream.send(output(6));
  await assert.rejects(
    session.connection.register({}),
    (error) => error instanceof PalyraError && ['device_revoked', 'daemon_unreachable'].includes(error.code),
  );
  const { state, stdout_bytes: bytes } = await port.request(running);
  assert.ok(state === 'interrupted' || state === 'cancelled', state);
  assert.ok(bytes <= 6, 'nothing of after the revocation was kept');
  const again = port.connect(port.device(0));
  await assert.rejects(again.register({}), (error) => codeOf(error) === 'device_revoked');
  await assert.rejects(port.ask(0), (error) => codeOf(error) === 'device_revoked');
});

test('row 60: frames of an earlier stream and hellos of an earlier session change nothing', async (t) => {
  const port = await NodePort.start(t, 1);
  const old = await port.session(0);
  const requestId = await port.ask(0);
  await old.untilDispatched(requestId);
  const fresh = await port.session(0);
  assert.equal(codeOf(await old.ended), 'session_superseded');

  // On the stream that is gone, and as a hello that was heard before.
  old.answer(requestId, '"forged"');
  const replayed = Promise.withResolvers<unknown>();
  const stream = fresh.connection.openStream({ frame: () => undefined, ended: replayed.resolve });
  stream.send({ hello: { session_id: old.sessionId, boot_id: 'b', ledger_id: 'l' } });
  assert.ok((await replayed.promise) instanceof PalyraError);

  assert.equal((await port.request(requestId)).completed_at_unix_ms, null);
  // The present session still serves: the request comes again on it, since its ledger has never seen it.
  await fresh.untilDispatched(requestId);
  fresh.answer(requestId, '"true"');
  await fresh.until(({ result_ack: ack }) => ack?.request_id === requestId);
  // Said once more, and said otherwise: the first end stands.
  fresh.answer(requestId, '"late"');
  const marker = await port.ask(0);
  await fresh.untilDispatched(marker);
  fresh.answer(marker);
  await fresh.until(({ result_ack: ack }) => ack?.request_id === marker);
  const { state, output } = await port.request(requestId);
  assert.deepEqual({ state, output }, { state: 'succeeded', output: 'true' });
});
