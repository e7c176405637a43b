import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { acceptedSchema, keptOutputSchema, requestSchema, requestsSchema } from '../../../src/operator/view-schemas.ts';
import type { AcceptedRequestView, RequestView } from '../../../src/wire/views.ts';
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
  const unsaid = await rawCall({
    socketPath: daemon.listeners.socketPath,
    method: 'POST',
    path: '/api/v1/requests',
    token: daemon.adminToken,
    body: big,
    chunked: true,
  });
  assert.equal(codeOf(unsaid), 'payload_too_large');
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
