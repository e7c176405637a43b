import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';
import type { AcceptedRequestView, RequestView } from '../../../src/wire/views.ts';
import { FRAMES_MEDIA_TYPE, type FramePart, FrameReader } from '../../../src/wire/watch-frames.ts';
import { OperatorDaemon } from '../../support/operator-daemon.ts';
import { codeOf, type RawAnswer, rawCall } from '../../support/raw-http.ts';
import { type Run, ScriptedNode } from '../../support/scripted-node.ts';

let daemon: OperatorDaemon;
let node: ScriptedNode;
const programs = new Map<
  string,
  (run: Run) => Promise<undefined | { exitCode: number | null; outcome?: 'cancelled' }>
>();

before(async () => {
  daemon = await OperatorDaemon.start();
  node = new ScriptedNode(await daemon.addDevice('web-1'), async (run) => {
    const [name = 'nothing'] = (run.input['argv'] as string[] | undefined) ?? [];
    return programs.get(name)?.(run);
  });
  node.connect(daemon.dispatcher);
});
after(() => daemon.stop());

const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<RawAnswer> =>
  rawCall({ socketPath: daemon.listeners.socketPath, method, path, body, headers, token: daemon.adminToken });
const order = (argv: readonly string[], more: object = {}) => ({
  node: 'web-1',
  capability: 'shell.execute',
  input: { argv },
  ...more,
});
const lines = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('W32: 8 MiB arrive whole over lines of JSON, binary bytes included', async () => {
  const data = randomBytes(8 * 1024 * 1024);
  programs.set('big', async ({ write }) => {
    await write('stdout', data);
    return undefined;
  });
  const stream = await call('POST', '/api/v1/requests?watch=1', order(['big']));
  const hash = createHash('sha256');
  let next = 0;
  for (const line of lines(stream.text)) {
    if (line['type'] !== 'output') continue;
    assert.equal(line['offset'], next);
    const piece = Buffer.from((line['data_base64'] ?? line['data']) as string, 'data' in line ? 'utf8' : 'base64');
    hash.update(piece);
    next += piece.length;
  }
  assert.equal(next, data.length);
  assert.equal(hash.digest('hex'), createHash('sha256').update(data).digest('hex'));
});

/** Reads a watch stream of frames to its end; the parts come through `onPart`. */
function frames(path: string, onPart: (part: FramePart) => void, body?: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const reader = new FrameReader();
    const text = body === undefined ? undefined : JSON.stringify(body);
    httpRequest(
      {
        socketPath: daemon.listeners.socketPath ?? '',
        method: text === undefined ? 'GET' : 'POST',
        path,
        headers: {
          host: 'palyra',
          authorization: `Bearer ${daemon.adminToken}`,
          accept: FRAMES_MEDIA_TYPE,
          ...(text !== undefined && { 'content-type': 'application/json' }),
        },
      },
      (incoming) => {
        incoming.on('data', (bytes: Buffer) => {
          for (const part of reader.read(bytes)) onPart(part);
        });
        incoming.on('end', resolve).on('error', reject);
      },
    ).end(text);
  });
}

test('a reader of frames gets no more than the credit before it acknowledges, and all of it after', async () => {
  const data = randomBytes(3 * 1024 * 1024);
  const written = { bytes: 0 };
  programs.set('held', async ({ write }) => {
    for (let at = 0; at < data.length; at += 65_536) {
      await write('stdout', data.subarray(at, at + 65_536));
      written.bytes = at + 65_536;
    }
    return undefined;
  });
  let started = { request_id: '', watch_id: '' };
  let ended: RequestView | undefined;
  const pieces: Buffer[] = [];
  let bytes = 0;
  const paused = Promise.withResolvers<void>();
  const onPart = (part: FramePart): void => {
    if (part.type === 'output') {
      assert.equal(part.offset, bytes);
      pieces.push(Buffer.from(part.data));
      bytes += part.data.length;
      if (bytes >= 1024 * 1024) paused.resolve();
      return;
    }
    const event = part.event as { type: string; request_id: string; watch_id: string; request: RequestView };
    if (event.type === 'request') started = event;
    if (event.type === 'end') ended = event.request;
  };
  const done = frames('/api/v1/requests?watch=1', onPart, order(['held']));
  await paused.promise;
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(bytes <= 1024 * 1024 + 64 * 1024, `${bytes} came without an acknowledgement`);
  assert.ok(written.bytes <= 2 * 1024 * 1024 + 64 * 1024, `the program wrote ${written.bytes} ahead of its reader`);
  const path = `/api/v1/requests/${started.request_id}/ack`;
  const ack = (watch: string) => call('POST', path, { watch_id: watch, stdout_bytes: bytes, stderr_bytes: 0 });
  assert.equal((await ack('00000000-0000-4000-8000-000000000000')).status, 404);
  while (ended === undefined) assert.ok([204, 404].includes((await ack(started.watch_id)).status));
  await done;
  assert.deepEqual(Buffer.concat(pieces), data);
  assert.equal(ended.stdout_bytes, data.length);
  assert.equal((await ack(started.watch_id)).status, 404, 'the watch is over');
});

test('a reader that comes back with its offsets frees a program that waited for its acknowledgement', async () => {
  programs.set('patient', async ({ write }) => {
    await write('stdout', Buffer.alloc(1024 * 1024, 'a'));
    await write('stdout', 'more');
    return undefined;
  });
  let id = '';
  let bytes = 0;
  const first = new Promise<void>((resolve, reject) => {
    const reader = new FrameReader();
    const outgoing = httpRequest(
      {
        socketPath: daemon.listeners.socketPath ?? '',
        method: 'POST',
        path: '/api/v1/requests?watch=1',
        headers: {
          host: 'palyra',
          authorization: `Bearer ${daemon.adminToken}`,
          accept: FRAMES_MEDIA_TYPE,
          'content-type': 'application/json',
        },
      },
      (incoming) => {
        incoming.on('error', () => undefined);
        incoming.on('data', (chunk: Buffer) => {
          for (const part of reader.read(chunk)) {
            if (part.type === 'event') id ||= (part.event as { request_id?: string }).request_id ?? '';
            else bytes += part.data.length;
          }
          if (bytes === 1024 * 1024) {
            outgoing.destroy();
            resolve();
          }
        });
      },
    );
    outgoing.on('error', reject).end(JSON.stringify(order(['patient'])));
  });
  await first;
  let rest = '';
  await frames(`/api/v1/requests/${id}/watch?stdout_offset=${bytes}`, (part) => {
    if (part.type === 'output') rest += part.data.toString();
  });
  assert.equal(rest, 'more');
});

test('a stranger cannot acknowledge for another, and a viewer never holds a program up', async () => {
  const go = Promise.withResolvers<void>();
  programs.set('wait', async () => {
    await go.promise;
    return undefined;
  });
  const { request_id: id } = (await call('POST', '/api/v1/requests', order(['wait']))).json as AcceptedRequestView;
  const watch = Promise.withResolvers<string>();
  const done = frames(`/api/v1/requests/${id}/watch`, (part) => {
    const event = part.type === 'event' ? (part.event as { type: string; watch_id: string }) : undefined;
    if (event?.type === 'request') watch.resolve(event.watch_id);
  });
  const stranger = await daemon.addOperator('operator');
  const answer = await rawCall({
    socketPath: daemon.listeners.socketPath,
    method: 'POST',
    path: `/api/v1/requests/${id}/ack`,
    token: stranger,
    body: { watch_id: await watch.promise, stdout_bytes: 0, stderr_bytes: 0 },
  });
  assert.equal(answer.status, 404);
  go.resolve();
  await done;

  const much = randomBytes(4 * 1024 * 1024);
  const seen = Promise.withResolvers<void>();
  programs.set('much', async ({ write }) => {
    await seen.promise;
    await write('stdout', much);
    return undefined;
  });
  const viewer = await daemon.addOperator('viewer');
  const accepted = (await call('POST', '/api/v1/requests', order(['much']))).json as AcceptedRequestView;
  // It reads nothing at all, and the program ends all the same.
  const lazy = httpRequest({
    socketPath: daemon.listeners.socketPath ?? '',
    path: `/api/v1/requests/${accepted.request_id}/watch`,
    headers: { host: 'palyra', authorization: `Bearer ${viewer}`, accept: FRAMES_MEDIA_TYPE },
  }).end();
  lazy.on('error', () => undefined);
  lazy.on('response', () => seen.resolve());
  const stream = await call('GET', `/api/v1/requests/${accepted.request_id}/watch?observe=1`);
  assert.equal((lines(stream.text).at(-1)?.['request'] as RequestView | undefined)?.state, 'succeeded');
  lazy.destroy();
});

test('standard input flows as fast as the program takes it, and closes with end=1', async () => {
  const data = randomBytes(6 * 1024 * 1024);
  const result = Promise.withResolvers<string>();
  programs.set('sum', async ({ stdin }) => {
    const hash = createHash('sha256');
    for await (const piece of stdin) {
      hash.update(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    result.resolve(hash.digest('hex'));
    return undefined;
  });
  const body = order(['sum'], { stdin_mode: 'stream' });
  const { request_id: id } = (await call('POST', '/api/v1/requests', body)).json as AcceptedRequestView;
  const status = await new Promise<number>((resolve, reject) => {
    const upload = httpRequest(
      {
        socketPath: daemon.listeners.socketPath ?? '',
        method: 'POST',
        path: `/api/v1/requests/${id}/stdin?offset=0&end=1`,
        headers: { host: 'palyra', authorization: `Bearer ${daemon.adminToken}` },
      },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      },
    );
    upload.on('error', reject);
    upload.end(data);
  });
  assert.equal(status, 204);
  assert.equal(await result.promise, createHash('sha256').update(data).digest('hex'));
  assert.ok(node.stdinHeld <= 512 * 1024, `${node.stdinHeld} bytes waited on the node`);
});

test('standard input for a request that takes none, or has ended, is refused with the reason', async () => {
  programs.set('deaf', async () => undefined);
  const stream = await call('POST', '/api/v1/requests?watch=1', order(['deaf']));
  const { request } = lines(stream.text).at(-1) as { request: RequestView };
  const late = await call('POST', `/api/v1/requests/${request.request_id}/stdin?end=1`, 'x'.repeat(300_000));
  assert.equal(codeOf(late), 'request_already_finished');
});
