import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../src/kernel/clock.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { readHostConfig } from '../../../src/node/host-config.ts';
import { IdentityStore } from '../../../src/node/identity-store.ts';
import { makePin } from '../../../src/pake/pin.ts';
import { deviceIdOf } from '../../../src/x509/certificate.ts';
import { PairingDaemon } from '../../support/pairing-daemon.ts';
import { APPROVER } from '../../support/pairing-home.ts';
import { PairingMachine } from '../../support/pairing-machine.ts';
import { relayTo } from '../../support/pairing-relay.ts';

const failsWith = (code: string) => (cause: unknown) => {
  assert.ok(cause instanceof PalyraError, String(cause));
  assert.equal(cause.code, code, cause.message);
  return true;
};

test('W1 W5 W15 a fresh machine is paired with PIN and address alone, and both ends show the same', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const machine = new PairingMachine(t, daemon.schema);
  const start = performance.now();
  const paired = machine.pair(await daemon.pin(), daemon.address);
  const request = await daemon.approveNext(['echo']);
  const result = await paired;
  t.diagnostic(`${Math.round(performance.now() - start)} ms with a human of no delay`);
  assert.equal(request.shortString, machine.shortString, 'both ends show the same');
  assert.equal(request.sourceAddress, '127.0.0.1');
  assert.deepEqual(request.requestedCapabilities, ['echo', 'system.health']);
  assert.equal(result.deviceId, request.deviceId);
  assert.equal(result.requestId, request.requestId);
  assert.equal((await daemon.pairing.showRequest(request.requestId)).state, 'completed');
  const config = readHostConfig(machine.nodeHome);
  assert.equal(config?.device_id, request.deviceId);
  assert.equal(config?.grpc_url, `https://${daemon.address}`);
  assert.equal(config?.daemon_id, '01BX5ZZKBKACTAV9WEVGEMMVRZ');
  const identity = new IdentityStore(machine.nodeHome).load();
  assert.equal(identity && deviceIdOf(identity.certificate), request.deviceId);
  const entries = readdirSync(machine.nodeHome, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const { mode } = statSync(join(entry.parentPath, entry.name));
    assert.equal(mode & 0o777, entry.isDirectory() ? 0o700 : 0o600, entry.name);
  }
  assert.deepEqual(entries.map(({ name }) => name).sort(), [
    'ca-bundle.pem',
    'device-key.pem',
    'device.pem',
    'identity',
    'node-host.json',
  ]);
  await assert.rejects(machine.pair(await daemon.pin(), daemon.address), failsWith('already_paired'));
  await assert.rejects(machine.resume(), failsWith('already_paired'));
});

interface Proxy {
  readonly address: string;
  readonly recorded: () => Buffer;
}

/** Passes bytes on and keeps them. */
async function tcpProxy(t: { after(fn: () => unknown): void }, target: number): Promise<Proxy> {
  const bytes: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((inner) => {
    const outer = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk: Buffer) => {
        bytes.push(chunk);
        to.write(chunk);
      });
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { address: `127.0.0.1:${port}`, recorded: () => Buffer.concat(bytes) };
}

test('row 2: who relays the bytes of TLS sees nothing of them', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const proxy = await tcpProxy(t, daemon.port);
  const machine = new PairingMachine(t, daemon.schema);
  const pin = await daemon.pin();
  const paired = machine.pair(pin, proxy.address);
  const request = await daemon.approveNext();
  await paired;
  const seen = proxy.recorded();
  assert.ok(seen.length > 5_000, 'the pairing went through it');
  for (const plain of [
    pin.replaceAll('-', ''),
    pin,
    request.deviceId,
    request.requestId,
    'web-1',
    'echo',
    'PairingService',
  ]) {
    assert.equal(seen.indexOf(plain), -1, plain);
  }
});

test('row 1: W5: a man in the middle with his own CA gets nowhere, and costs one try', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const foreign = await PairingDaemon.start(t);
  const relay = await relayTo(t, foreign, daemon);
  const machine = new PairingMachine(t, daemon.schema);
  const pin = await daemon.pin();
  await assert.rejects(machine.pair(pin, relay.address), failsWith('pairing_code_invalid'));
  assert.deepEqual(relay.calls, ['BeginPairingSession', 'ExchangePairingSession'], 'verbatim, and nothing after that');
  const { rows } = await daemon.pairing.listCodes(null, 10);
  assert.equal(rows[0]?.triesLeft, 4);
  assert.deepEqual((await daemon.pairing.listRequests({}, null, 10)).rows, []);
  assert.ok(!machine.seen.includes('proven to it'), 'the machine told nothing of itself');
  // The same relay to the daemon whose CA it shows is no man in the middle: the test can fail.
  const honest = await relayTo(t, daemon, daemon);
  const paired = machine.pair(pin, honest.address).catch((cause: unknown) => cause);
  const request = await daemon.nextRequest();
  assert.equal(request.shortString, machine.shortString);
  machine.stop.abort(new PalyraError('cancelled', 'enough'));
  failsWith('cancelled')(await paired);
});

test('a wrong PIN is tried once and never again', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const machine = new PairingMachine(t, daemon.schema);
  const pin = (await daemon.pin()).replaceAll('-', '');
  let wrong = makePin(pin.slice(0, 2)).code;
  while (wrong === pin) wrong = makePin(pin.slice(0, 2)).code;
  await assert.rejects(machine.pair(wrong, daemon.address), failsWith('pairing_code_invalid'));
  assert.equal((await daemon.pairing.listCodes(null, 1)).rows[0]?.triesLeft, 4);
  assert.throws(
    () => machine.pair(`${pin.slice(0, 9)}${(Number(pin[9]) + 1) % 10}`, daemon.address),
    failsWith('pin_malformed'),
  );
  assert.equal((await daemon.pairing.listCodes(null, 1)).rows[0]?.triesLeft, 4, 'a typing error is not sent');
  const paired = machine.pair(pin, daemon.address);
  await daemon.approveNext();
  await paired;
});

test('a refused machine is told, and can ask anew', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const machine = new PairingMachine(t, daemon.schema);
  const first = machine.pair(await daemon.pin(), daemon.address);
  const refused = assert.rejects(
    first,
    (cause) => failsWith('pairing_rejected')(cause) && /not today/.test(String(cause)),
  );
  await daemon.pairing.reject((await daemon.nextRequest()).requestId, APPROVER, 'not today');
  await refused;
  await assert.rejects(machine.resume(), failsWith('not_paired'));
  const second = machine.pair(await daemon.pin(), daemon.address);
  await daemon.approveNext();
  await second;
});

test('row 19: W10: a machine that stopped while it waited goes on without the PIN', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const machine = new PairingMachine(t, daemon.schema);
  const stop = new AbortController();
  const pin = await daemon.pin();
  const first = machine.pair(pin, daemon.address, { signal: stop.signal });
  const stopped = assert.rejects(first, failsWith('cancelled'));
  await machine.waiting;
  stop.abort(new PalyraError('cancelled', 'stopped'));
  await stopped;
  assert.ok(!readFileSync(join(machine.nodeHome, 'pairing.json'), 'utf8').includes(pin.replaceAll('-', '')));
  const request = await daemon.approveNext();
  const result = await machine.resume();
  assert.equal(result.requestId, request.requestId);
  assert.equal((await daemon.pairing.showRequest(request.requestId)).state, 'completed');
});

test('row 19: W10: a daemon that restarts while a machine waits finds it again', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const machine = new PairingMachine(t, daemon.schema);
  const paired = machine.pair(await daemon.pin(), daemon.address);
  await machine.waiting;
  await daemon.stop();
  await machine.disconnected;
  await daemon.run();
  await daemon.approveNext();
  const { requestId } = await paired;
  assert.equal((await daemon.pairing.showRequest(requestId)).state, 'completed');
});

test('row 19: a machine that ends before its first stream only lacks that', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const machine = new PairingMachine(t, daemon.schema);
  const paired = machine.pair(await daemon.pin(), daemon.address, {
    firstStream: async () => {
      throw new PalyraError('daemon_unreachable', 'the power went');
    },
  });
  const failed = assert.rejects(paired, failsWith('daemon_unreachable'));
  const request = await daemon.approveNext();
  await failed;
  assert.equal((await daemon.pairing.showRequest(request.requestId)).state, 'approved');
  await assert.rejects(machine.pair(await daemon.pin(), daemon.address), (cause) => {
    return failsWith('already_paired')(cause) && /--resume/.test((cause as PalyraError).hint ?? '');
  });
  assert.equal((await machine.resume()).deviceId, request.deviceId);
  assert.equal((await daemon.pairing.showRequest(request.requestId)).state, 'completed');
  const certificates = await daemon.store.reader.selectFrom('certificates').select('serial').execute();
  assert.equal(certificates.length, 1);
});

test('row 19: W9: a daemon that forgot the handshake leaves a machine that can begin anew', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const machine = new PairingMachine(t, daemon.schema);
  const pin = await daemon.pin();
  const stop = new AbortController();
  // The machine dies with its pairing file written, and the daemon restarts before Complete reached it.
  const relay = await relayTo(t, daemon, daemon, {
    before: async (method) => {
      if (method !== 'CompletePairingSession' || stop.signal.aborted) return;
      stop.abort(new PalyraError('cancelled', 'stopped'));
      throw new Error('the connection broke');
    },
  });
  await assert.rejects(machine.pair(pin, relay.address, { signal: stop.signal }));
  await daemon.stop();
  await daemon.run();
  await assert.rejects(machine.resume(), failsWith('pairing_session_not_found'));
  const paired = machine.pair(pin, daemon.address);
  await daemon.approveNext();
  await paired;
});

test('who waits too long stops with a hint how to go on', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const machine = new PairingMachine(t, daemon.schema);
  const paired = machine.pair(await daemon.pin(), daemon.address);
  await machine.waiting;
  await systemClock.sleep(10);
  machine.stop.abort(new PalyraError('timed_out', 'nobody decided', { hint: 'palyra node pair --resume' }));
  await assert.rejects(paired, failsWith('timed_out'));
});
