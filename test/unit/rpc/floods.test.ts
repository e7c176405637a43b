// What floods the node port: each attack runs beside a device that works, which must hardly notice.
import assert from 'node:assert/strict';
import { connect as connectTcp, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { systemClock } from '../../../src/kernel/clock.ts';
import { callFields, FRAME, frame, literals, RawH2 } from '../../support/h2-raw.ts';
import { NodePort, type TestSession } from '../../support/node-port.ts';

const MIB = 1024 * 1024;
const BEGIN = '/palyra.node.v1.PairingService/BeginPairingSession';
const SLOW_MS = 1_000;

/** Requests of a device one after the other while something else goes on; resolves with the longest, ms. */
async function besides(port: NodePort, session: TestSession, attack: Promise<unknown>): Promise<number> {
  let over = false;
  let longest = 0;
  const finished = attack.finally(() => {
    over = true;
  });
  do {
    const from = systemClock.monotonic();
    const requestId = await port.ask(0);
    await session.untilDispatched(requestId);
    session.answer(requestId);
    await session.until(({ result_ack: ack }) => ack?.request_id === requestId);
    longest = Math.max(longest, systemClock.monotonic() - from);
    await systemClock.sleep(5);
  } while (!over);
  await finished;
  return longest;
}

/** Runs an attack against a daemon with one working device; the attack has a connection of its own. */
async function attacked(t: TestContext, attack: (raw: RawH2, port: NodePort) => Promise<string>): Promise<void> {
  const port = await NodePort.start(t, 1);
  const session = await port.session(0);
  await besides(port, session, Promise.resolve());
  const raw = await RawH2.open(port.portNumber, port.ca);
  t.after(() => raw.socket.destroy());
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let said = '';
  const longest = await besides(
    port,
    session,
    attack(raw, port).then((text) => {
      said = text;
    }),
  );
  const grown = (process.memoryUsage.rss() - before) / MIB;
  t.diagnostic(
    `${said}; a device's request took at most ${longest.toFixed(0)} ms, memory grew by ${grown.toFixed(1)} MiB`,
  );
  assert.ok(longest < SLOW_MS, `a request took ${longest} ms`);
  assert.ok(grown < 64, `memory grew by ${grown} MiB`);
  assert.equal(port.daemon.nodes, 1);
}

function* many<T>(count: number, piece: (at: number) => T): Generator<T> {
  for (let at = 0; at < count; at += 1) yield piece(at);
}

test('row 32: streams that are opened and reset at once end the connection', { timeout: 60_000 }, (t) =>
  attacked(t, async (raw) => {
    const block = literals(callFields(BEGIN));
    const reset = Buffer.from([0, 0, 0, 8]);
    const pieces = many(20_000, (at) =>
      Buffer.concat([frame(FRAME.headers, 4, 2 * at + 1, block), frame(FRAME.reset, 0, 2 * at + 1, reset)]),
    );
    const sent = await raw.flood(pieces);
    await raw.closed;
    assert.ok(sent < 20_000, 'all were taken');
    return `closed after ${sent} resets were written`;
  }),
);

test('row 32: headers that never end end the connection', { timeout: 60_000 }, (t) =>
  attacked(t, async (raw) => {
    await raw.flood([frame(FRAME.headers, 0, 1, literals(callFields(BEGIN)))]);
    const piece = frame(FRAME.continuation, 0, 1, literals([['x-more', 'a'.repeat(8_000)]]));
    const sent = await raw.flood(many(20_000, () => piece));
    await raw.closed;
    assert.ok(sent < 20_000, 'all were taken');
    return `closed after ${sent} continuations were written`;
  }),
);

for (const [name, piece] of [
  ['pings', frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
  ['settings', frame(FRAME.settings, 0, 0, Buffer.from([0, 4, 0, 1, 0, 0]))],
] as const) {
  test(`row 32: a hundred thousand ${name} slow nobody down`, { timeout: 60_000 }, (t) =>
    attacked(t, async (raw) => {
      const block = Buffer.concat(Array.from({ length: 100 }, () => piece));
      const sent = await raw.flood(many(1_000, () => block));
      return `${sent * 100} were written${raw.isClosed ? ', then it was closed' : ''}`;
    }),
  );
}

test('row 33: connections that say nothing, or half a handshake, keep nobody out', { timeout: 60_000 }, async (t) => {
  const port = await NodePort.start(t, 2);
  const session = await port.session(0);
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  const open = async (first: Buffer): Promise<void> => {
    // From an address of their own: sources take turns.
    const socket = connectTcp({ port: port.portNumber, host: '127.0.0.1', localAddress: '127.0.0.9' });
    socket.on('error', () => undefined);
    sockets.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(first);
  };
  const before = process.memoryUsage.rss();
  const halfHello = Buffer.from('16030100c8010000c40303', 'hex');
  const longest = await besides(
    port,
    session,
    (async () => {
      for (const piece of many(1_000, (at) => (at % 2 === 0 ? Buffer.alloc(0) : halfHello))) await open(piece);
      const from = systemClock.monotonic();
      await port.session(1);
      const tookMs = systemClock.monotonic() - from;
      t.diagnostic(`a device connected in ${tookMs.toFixed(0)} ms among 1,000 of them`);
      assert.ok(tookMs < SLOW_MS, `it took ${tookMs} ms to connect`);
    })(),
  );
  assert.ok(longest < SLOW_MS, `a request took ${longest} ms`);
  const grown = (process.memoryUsage.rss() - before) / MIB;
  assert.ok(grown < 128, `memory grew by ${grown} MiB`);
});

test('row 34: large headers, many headers, large messages and what unpacks to them are refused', {
  timeout: 60_000,
}, async (t) => {
  const port = await NodePort.start(t, 1);
  const session = await port.session(0);
  const before = process.memoryUsage.rss();
  const attack = async (pieces: readonly Uint8Array[]): Promise<string> => {
    const raw = await RawH2.open(port.portNumber, port.ca);
    let answer = Buffer.alloc(0);
    raw.socket.on('data', (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
    });
    await raw.flood(pieces);
    // Whatever is said to it, or the end of the connection.
    for (let look = 0; look < 200 && !raw.isClosed && !refused(answer); look += 1) await systemClock.sleep(10);
    const verdict = raw.isClosed ? 'closed' : refused(answer) ? 'refused' : 'taken';
    raw.socket.destroy();
    return verdict;
  };
  const block = (fields: readonly (readonly [string, string])[]): Buffer[] => {
    const bytes = literals([...callFields(BEGIN), ...fields]);
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 16_000) {
      const last = at + 16_000 >= bytes.length;
      parts.push(
        frame(at === 0 ? FRAME.headers : FRAME.continuation, last ? 4 : 0, 1, bytes.subarray(at, at + 16_000)),
      );
    }
    return parts;
  };
  const message = (bytes: Buffer, compressed: boolean): Buffer[] => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt8(compressed ? 1 : 0);
    prefix.writeUInt32BE(bytes.length, 1);
    const whole = Buffer.concat([prefix, bytes]);
    const parts: Buffer[] = [];
    for (let at = 0; at < whole.length; at += 16_000) {
      const last = at + 16_000 >= whole.length;
      parts.push(frame(FRAME.data, last ? 1 : 0, 1, whole.subarray(at, at + 16_000)));
    }
    return parts;
  };
  const attacks = {
    'a header of 70 kB': block([['x-long', 'a'.repeat(70_000)]]),
    '300 headers': block(Array.from({ length: 300 }, (_, at) => [`x-${at}`, 'a'] as const)),
    'a message of 5 MB': [...block([]), ...message(Buffer.alloc(5 * MIB), false)],
    'a bomb of gzip': [...block([['grpc-encoding', 'gzip']]), ...message(gzipSync(Buffer.alloc(50 * MIB)), true)],
  };
  for (const [what, pieces] of Object.entries(attacks)) {
    const verdict = await attack(pieces);
    assert.notEqual(verdict, 'taken', what);
    t.diagnostic(`${what}: ${verdict}`);
  }
  const longest = await besides(port, session, Promise.resolve());
  assert.ok(longest < SLOW_MS);
  const grown = (process.memoryUsage.rss() - before) / MIB;
  // The attacker's own buffers are in this process too.
  assert.ok(grown < 160, `memory grew by ${grown} MiB`);
});

/** A reset, the farewell of the connection, or headers that end the stream at once: no answer of a method. */
function refused(bytes: Buffer): boolean {
  for (let at = 0; at + 9 <= bytes.length; ) {
    const type = bytes.readUInt8(at + 3);
    const flags = bytes.readUInt8(at + 4);
    if (type === FRAME.reset || type === FRAME.goaway || (type === FRAME.headers && (flags & 1) !== 0)) return true;
    at += 9 + bytes.readUIntBE(at, 3);
  }
  return false;
}

test('row 36: a device that floods frames or does not read is the only one that suffers', {
  timeout: 60_000,
}, async (t) => {
  const port = await NodePort.start(t, 2);
  const working = await port.session(0);
  const flooding = await port.session(1);
  const before = process.memoryUsage.rss();
  const longest = await besides(
    port,
    working,
    (async () => {
      const unknown = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
      const data = Buffer.alloc(32 * 1024, 7);
      for (let round = 0; round < 200; round += 1) {
        for (let at = 0; at < 100; at += 1) {
          flooding.stream.send({ heartbeat: { node_unix_ms: 1, running: 0, queued: 0 } });
          flooding.stream.send({ started: { request_id: unknown, started_at_unix_ms: 1 } });
        }
        flooding.stream.send({ output: { request_id: unknown, channel: 1, offset: round * data.length, data } });
        await systemClock.sleep(1);
      }
    })(),
  );
  const grown = (process.memoryUsage.rss() - before) / MIB;
  t.diagnostic(
    `40,200 frames; the other's request took at most ${longest.toFixed(0)} ms, memory grew by ${grown.toFixed(1)} MiB`,
  );
  assert.ok(longest < 2 * SLOW_MS, `a request of the other took ${longest} ms`);
  assert.ok(grown < 128, `memory grew by ${grown} MiB`);
});
