import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventFrame, outputFrameHead } from '../../../src/wire/watch-frames.ts';
import { OperatorDaemon } from '../../support/operator-daemon.ts';
import { RunningCli, runCli } from '../../support/run-cli.ts';
import { ScriptedNode } from '../../support/scripted-node.ts';

test('output goes on without loss or repetition after the daemon was restarted, twice', async () => {
  const data = randomBytes(6 * 1024 * 1024);
  const steps = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let daemon = await OperatorDaemon.start();
  const { home } = daemon;
  const node = new ScriptedNode(await daemon.addDevice('web-1'), async ({ write }) => {
    await write('stdout', data.subarray(0, 2_000_000));
    await steps[0]?.promise;
    await write('stdout', data.subarray(2_000_000, 4_500_000));
    await write('stderr', 'half\n');
    await steps[1]?.promise;
    await write('stdout', data.subarray(4_500_000));
    return { exitCode: 7 };
  });
  node.connect(daemon.dispatcher);
  const running = new RunningCli(['nodes', 'exec', 'web-1', '--', 'job'], { home });
  for (const [at, seen] of [1_000_000, 4_000_000].entries()) {
    await running.until(() => running.stdoutBytes > seen);
    node.disconnect();
    await daemon.stop({ keep: true });
    steps[at]?.resolve();
    daemon = await OperatorDaemon.start({ home });
    node.connect(daemon.dispatcher);
  }
  const { code, stdout, stderr } = await running.end;
  assert.equal(code, 7, stderr);
  assert.equal(stdout.length, data.length);
  assert.ok(stdout.equals(data));
  assert.equal(stderr, 'half\n');
  assert.equal(node.orders.length, 1);
  await daemon.stop();
});

test('standard input goes on where the node has it after the daemon was restarted', async () => {
  const data = randomBytes(4 * 1024 * 1024);
  const half = Promise.withResolvers<void>();
  const back = Promise.withResolvers<void>();
  let daemon = await OperatorDaemon.start();
  const { home } = daemon;
  const node = new ScriptedNode(await daemon.addDevice('web-1'), async ({ stdin, write }) => {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const piece of stdin) {
      hash.update(piece);
      bytes += piece.length;
      if (bytes > 1_000_000) {
        half.resolve();
        await back.promise;
      }
    }
    await write('stdout', `${bytes} ${hash.digest('hex')}`);
    return {};
  });
  node.connect(daemon.dispatcher);
  const running = new RunningCli(['nodes', 'exec', 'web-1', '-i', '--', 'sum'], { home, stdin: data });
  await half.promise;
  node.disconnect();
  await daemon.stop({ keep: true });
  daemon = await OperatorDaemon.start({ home });
  node.connect(daemon.dispatcher);
  back.resolve();
  const { code, stdout, stderr } = await running.end;
  assert.equal(code, 0, stderr);
  assert.equal(stdout.toString(), `${data.length} ${createHash('sha256').update(data).digest('hex')}`);
  await daemon.stop();
});

/** A daemon that speaks the wire but keeps nothing; each call is answered by the next handler. */
async function wireDaemon(handler: (call: number, server: Server) => Parameters<typeof createServer>[1]) {
  const home = mkdtempSync(join(tmpdir(), 'palyra-op-'));
  mkdirSync(join(home, 'daemon'), { mode: 0o700 });
  let calls = 0;
  const server: Server = createServer((incoming, outgoing) => {
    calls += 1;
    handler(calls, server)?.(incoming, outgoing);
  });
  await new Promise<void>((resolve) => server.listen(join(home, 'daemon', 'operator.sock'), resolve));
  return {
    home,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(home, { recursive: true, force: true });
    },
  };
}

const ID = '01K8ZJ4Q2N7M5W3V1T9R6P8XYC';
const ended = {
  type: 'end',
  request: { request_id: ID, state: 'succeeded', exit_code: 0, signal: null, error: null, output: null },
};

test('a creation whose answer is lost is asked for again under the same key, and runs once', async () => {
  const keys: string[] = [];
  const daemon = await wireDaemon((call) => (incoming, outgoing) => {
    keys.push(String(incoming.headers['idempotency-key']));
    incoming.resume();
    incoming.on('end', () => {
      if (call < 3) {
        incoming.socket.destroy();
        return;
      }
      outgoing.writeHead(200);
      outgoing.write(eventFrame({ type: 'request', request_id: ID, watch_id: 'w', reused: true, state: 'running' }));
      outgoing.write(outputFrameHead('stdout', 0, 3));
      outgoing.write('hi\n');
      outgoing.end(eventFrame(ended));
    });
  });
  const { code, stdout, stderr } = await runCli(['nodes', 'exec', 'web-1', '--', 'x'], { home: daemon.home });
  assert.equal(code, 0, stderr);
  assert.equal(stdout.toString(), 'hi\n');
  assert.equal(keys.length, 3);
  assert.match(keys[0] ?? '', /^[0-9a-f-]{36}$/);
  assert.equal(new Set(keys).size, 1);
  await daemon.stop();
});

test('what came before is asked for no more, and bytes that come twice are written once', async () => {
  const paths: string[] = [];
  const daemon = await wireDaemon((call) => (incoming, outgoing) => {
    incoming.resume();
    if (incoming.url?.includes('/ack')) {
      outgoing.writeHead(204).end();
      return;
    }
    paths.push(`${incoming.method} ${incoming.url}`);
    outgoing.writeHead(200);
    outgoing.write(eventFrame({ type: 'request', request_id: ID, watch_id: 'w', reused: false, state: 'running' }));
    if (call === 1) {
      outgoing.write(Buffer.concat([outputFrameHead('stdout', 0, 4), Buffer.from('abcd')]));
      outgoing.end(eventFrame({ type: 'error', error: { code: 'daemon_draining', message: 'stopping' } }));
      return;
    }
    outgoing.write(Buffer.concat([outputFrameHead('stdout', 2, 4), Buffer.from('cdef')]));
    outgoing.end(eventFrame(ended));
  });
  const { stdout, code } = await runCli(['nodes', 'exec', 'web-1', '--', 'x'], { home: daemon.home });
  assert.equal(code, 0);
  assert.equal(stdout.toString(), 'abcdef');
  assert.deepEqual(paths, [
    'POST /api/v1/requests?stdout_offset=0&stderr_offset=0&watch=1',
    `GET /api/v1/requests/${ID}/watch?stdout_offset=4&stderr_offset=0`,
  ]);
  await daemon.stop();
});

test('a stream that is no stream of ours, and a refusal in the middle, end with what they are', async () => {
  const daemon = await wireDaemon((call) => (incoming, outgoing) => {
    incoming.resume();
    outgoing.writeHead(200);
    outgoing.write(eventFrame({ type: 'request', request_id: ID, watch_id: 'w', reused: false, state: 'running' }));
    if (call === 1) outgoing.end(Buffer.from('HTTP is not for me'));
    else outgoing.end(eventFrame({ type: 'error', error: { code: 'from_the_future', message: 'new' } }));
  });
  const codes: string[] = [];
  for (let n = 0; n < 2; n += 1) {
    const { stderr } = await runCli(['nodes', 'exec', 'web-1', '--json', '--', 'x'], { home: daemon.home });
    codes.push((JSON.parse(stderr) as { error: { code: string } }).error.code);
  }
  assert.deepEqual(codes, ['not_a_palyra_daemon', 'internal']);
  await daemon.stop();
});

test('W40: without a daemon the answer is at once: unreachable, exit 4, and how to start it', async () => {
  const home = mkdtempSync(join(tmpdir(), 'palyra-op-'));
  for (const argv of [
    ['nodes', 'list'],
    ['requests', 'list'],
    ['pairing', 'code'],
    ['nodes', 'read', 'web-1', '/x'],
  ]) {
    const { code, stderr, stdout } = await runCli(argv, { home });
    assert.equal(code, 4, argv.join(' '));
    assert.match(stderr, /\[daemon_unreachable\]\n {2}hint: .*palyra daemon serve/);
    assert.equal(stdout.length, 0);
  }
  rmSync(home, { recursive: true, force: true });
});
