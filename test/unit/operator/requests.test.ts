import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';
import { acceptedSchema, keptOutputSchema, requestSchema, requestsSchema } from '../../../src/operator/view-schemas.ts';
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

test('a request is accepted, shown, listed, and its output kept', async () => {
  programs.set('hello', async ({ write }) => {
    await write('stdout', 'hello\n');
    await write('stderr', Buffer.from([0xff, 0xfe]));
    return undefined;
  });
  const accepted = await call('POST', '/api/v1/requests', order(['hello']));
  assert.equal(accepted.status, 202);
  const { request_id: id } = acceptedSchema.parse(accepted.json);
  assert.equal(accepted.headers.location, `/api/v1/requests/${id}`);
  const stream = await call('GET', `/api/v1/requests/${id.toLowerCase()}/watch`);
  assert.equal(stream.headers['content-type'], 'application/x-ndjson');
  assert.equal(lines(stream.text).at(-1)?.['type'], 'end');
  const shown = requestSchema.parse((await call('GET', `/api/v1/requests/${id}`)).json);
  assert.equal(shown.state, 'succeeded');
  assert.deepEqual(shown.input, { argv: ['hello'] });
  const page = requestsSchema.parse((await call('GET', '/api/v1/requests?node=web-1&state=succeeded,failed')).json);
  assert.ok(page.requests.some((row) => row.request_id === id));
  const kept = keptOutputSchema.parse((await call('GET', `/api/v1/requests/${id}/output`)).json);
  assert.equal(kept.stdout['head'], 'hello\n');
  assert.equal(kept.stderr['head_base64'], '//4=');
});

test('W31: the same Idempotency-Key gives the same request, another order under it is refused', async () => {
  programs.set('once', async () => undefined);
  const before = node.orders.length;
  const key = { 'idempotency-key': 'k-1' };
  const answers = await Promise.all([1, 2, 3].map(() => call('POST', '/api/v1/requests', order(['once']), key)));
  const ids = new Set(answers.map(({ json }) => (json as AcceptedRequestView).request_id));
  assert.equal(ids.size, 1);
  assert.equal(answers.filter(({ json }) => (json as AcceptedRequestView).reused).length, 2);
  const other = await call('POST', '/api/v1/requests', order(['twice']), key);
  assert.equal(other.status, 422);
  assert.equal(codeOf(other), 'idempotency_mismatch');
  assert.equal(node.orders.length, before + 1);
  const [id] = ids;
  const again = await call('POST', '/api/v1/requests?watch=1', order(['once']), key);
  assert.equal(lines(again.text)[0]?.['request_id'], id);
  assert.equal(lines(again.text)[0]?.['reused'], true);
  assert.equal(
    codeOf(await call('POST', '/api/v1/requests', order(['once']), { 'idempotency-key': 'a b' })),
    'invalid_argument',
  );
});

test('row 46: a field too many is refused and nothing is dispatched', async () => {
  const before = node.orders.length;
  const bad = [
    order(['x'], { approved: true }),
    order(['x'], { input: { argv: ['x'], approved: true } }),
    order(['x'], { input: { argv: ['x'], approval_id: '01K8ZJ4Q2N7M5W3V1T9R6P8XYC' } }),
    order(['x'], { attached: true }),
    order(['x'], { run_timeout_ms: -1 }),
    order(['x'], { stdin_base64: 'AAAA' }),
    order(['x'], { capability: 'Shell.Execute' }),
  ];
  for (const body of bad) {
    const answer = await call('POST', '/api/v1/requests', body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(codeOf(answer), 'invalid_argument');
  }
  assert.equal((await call('POST', '/api/v1/requests', '{"node":')).status, 400);
  assert.equal(node.orders.length, before);
});

test('a body above the limit is refused, said or unsaid', async () => {
  const big = order(['x'.repeat(1_100_000)]);
  assert.equal((await call('POST', '/api/v1/requests', big)).status, 413);
  const unsaid = await call('POST', '/api/v1/requests', big, {
    'transfer-encoding': 'chunked',
    'content-length': '',
  }).catch((cause: NodeJS.ErrnoException) => cause);
  assert.ok(!('status' in unsaid) || unsaid.status === 413 || unsaid.status === 400);
  const longInput = await call('POST', '/api/v1/requests', order(['x'.repeat(600_000)]));
  assert.equal(codeOf(longInput), 'payload_too_large');
});

test('an offline node is refused at once, and with Retry-After told what to do where that is known', async () => {
  await daemon.addDevice('away');
  const answer = await call('POST', '/api/v1/requests', { ...order(['x']), node: 'away' });
  assert.equal(answer.status, 503);
  assert.equal(codeOf(answer), 'node_offline');
});

test('an ambiguous name lists the candidates', async () => {
  await daemon.addDevice('twin');
  await daemon.addDevice('twin');
  const answer = await call('POST', '/api/v1/requests', { ...order(['x']), node: 'twin' });
  assert.equal(codeOf(answer), 'ambiguous_name');
  const { error } = answer.json as { error: { details: { candidates: { device_id: string }[] } } };
  assert.equal(error.details.candidates.length, 2);
});

test('values of secret_env are in no answer', async () => {
  programs.set('quiet', async () => undefined);
  const body = { ...order(['quiet']), input: { argv: ['quiet'], secret_env: { PASS: 'hunter2-hunter2' } } };
  const stream = await call('POST', '/api/v1/requests?watch=1', body);
  const { request } = lines(stream.text).at(-1) as { request: RequestView };
  const shown = await call('GET', `/api/v1/requests/${request.request_id}`);
  assert.ok(!stream.text.includes('hunter2') && !shown.text.includes('hunter2'));
  assert.deepEqual((request.input as { secret_env: unknown }).secret_env, { PASS: '[redacted]' });
});

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
  assert.equal((lines(stream.text).at(-1)?.['request'] as RequestView).state, 'succeeded');
  lazy.destroy();
});

test('W31: cancel reaches the program, and a second one is told that it has ended', async () => {
  programs.set('sleep', async ({ cancelled }) => {
    await cancelled;
    return { exitCode: null, outcome: 'cancelled' };
  });
  const { request_id: id } = (await call('POST', '/api/v1/requests', order(['sleep']))).json as AcceptedRequestView;
  const watching = call('GET', `/api/v1/requests/${id}/watch`);
  const cancelled = await call('POST', `/api/v1/requests/${id}/cancel`, { reason: 'enough' });
  assert.equal(cancelled.status, 202);
  const end = lines((await watching).text).at(-1) as { request: RequestView };
  assert.equal(end.request.state, 'cancelled');
  assert.equal(codeOf(await call('POST', `/api/v1/requests/${id}/cancel`)), 'request_already_finished');
  assert.equal(codeOf(await call('GET', '/api/v1/requests/01K8ZJ4Q2N7M5W3V1T9R6P8XYC')), 'request_not_found');
  assert.equal((await call('GET', '/api/v1/requests/nonsense')).status, 400);
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
