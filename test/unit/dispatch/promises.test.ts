// The promises of dispatch, one by one: durable before sent, at most once, an end that is told once, nobody else's word.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { LedgerEntry } from '../../../src/dispatch/node-link.ts';
import type { WatchEvent } from '../../../src/dispatch/types.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';
import type { RequestId } from '../../../src/kernel/ids.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { DispatchHome } from '../../support/dispatch-home.ts';

const HOUR_MS = 60 * 60 * 1000;
const refused = (code: string) => (error: unknown) => error instanceof PalyraError && error.code === code;
const entry = (requestId: RequestId, state: LedgerEntry['state']): LedgerEntry => ({
  requestId,
  state,
  stdinAckedBytes: 0,
  stdinClosed: false,
});

test('an order is on disk, as another process reads it, before the node hears of it', async (t) => {
  const home = await DispatchHome.make(t);
  const { link } = home.connect();
  const other = new DatabaseSync(join(home.folder, 'palyra.db'), { readOnly: true });
  t.after(() => other.close());
  const seen: unknown[] = [];
  link.onDispatch = ({ requestId }) => {
    seen.push(
      other.prepare('select state, session_epoch from capability_requests where request_id = ?').get(requestId),
    );
  };
  await Promise.all(Array.from({ length: 20 }, () => home.dispatcher.submit(home.order())));
  assert.equal(link.orders.length, 20);
  assert.deepEqual(
    seen.map((row) => ({ ...(row as object) })),
    Array.from({ length: 20 }, () => ({ state: 'dispatched', session_epoch: link.epoch })),
  );
});

test('an order that cannot be written is refused and never sent', async (t) => {
  const home = await DispatchHome.make(t);
  const { link } = home.connect();
  home.beforeWrite = () => {
    throw new PalyraError('disk_full', 'no space left');
  };
  await assert.rejects(home.dispatcher.submit(home.order()), refused('disk_full'));
  assert.equal(link.orders.length, 0);
  assert.equal(home.dispatcher.open, 0);
});

test('a result that cannot be written is not acknowledged; the node sends it again and it counts once', async (t) => {
  const home = await DispatchHome.make(t);
  const { link } = home.connect();
  const { requestId } = await home.dispatcher.submit(home.order());
  home.beforeWrite = () => {
    throw new PalyraError('disk_full', 'no space left');
  };
  home.result(link, requestId);
  await home.settle();
  assert.deepEqual(link.acknowledged, []);
  assert.equal((await home.row(requestId)).completed_at_unix_ms, null);

  home.beforeWrite = undefined;
  const next = home.connect({ entries: [entry(requestId, 'finished')] });
  home.result(next.link, requestId);
  home.result(next.link, requestId, 'failed');
  await home.settle();
  assert.deepEqual(next.link.acknowledged, [requestId]);
  assert.equal((await home.row(requestId)).state, 'succeeded');
  const ends = (await home.audited()).filter(({ action }) => action === 'request.ended');
  assert.equal(ends.length, 1);
});

test('at hello each pair of what daemon and node know has one outcome', async (t) => {
  const cases: readonly (readonly [string, LedgerEntry['state'] | 'absent', string, string])[] = [
    ['the same ledger has never seen it', 'absent', 'ledger', 'dispatched again'],
    ['another ledger may have lost it', 'absent', 'other', 'interrupted'],
    ['it runs', 'running', 'ledger', 'running'],
    ['it has ended', 'finished', 'ledger', 'dispatched'],
    ['it was started and its process is gone', 'lost', 'ledger', 'interrupted'],
  ];
  for (const [what, state, ledgerId, expected] of cases) {
    const home = await DispatchHome.make(t);
    const first = home.connect();
    const { requestId } = await home.dispatcher.submit(home.order());
    home.dispatcher.nodes.linkClosed(first.link);
    const entries = state === 'absent' ? [] : [entry(requestId, state)];
    const { link, plan } = home.connect({ entries, ledgerId });
    await home.settle();
    const again = link.orders.some((order) => order.requestId === requestId) ? ' again' : '';
    const { state: now } = await home.dispatcher.get(requestId);
    assert.equal(`${now}${again}`, expected, what);
    assert.equal(plan.resume.length, expected === 'running' || expected === 'dispatched' ? 1 : 0, what);
  }
});

test('what a node knows of and the daemon has closed is forgotten there', async (t) => {
  const home = await DispatchHome.make(t);
  const { link } = home.connect();
  const { requestId } = await home.dispatcher.submit(home.order());
  home.result(link, requestId);
  await home.settle();
  const unknown = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as RequestId;
  const { plan } = home.connect({ entries: [entry(requestId, 'finished'), entry(unknown, 'running')] });
  assert.deepEqual(plan.forget, [requestId, unknown]);
});

test('over a kill of the daemon the same holds: nothing is sent twice that may have started', async (t) => {
  const home = await DispatchHome.make(t);
  home.connect();
  const { requestId: sent } = await home.dispatcher.submit(home.order());
  const { requestId: gone } = await home.dispatcher.submit(home.order());
  await home.restart();
  assert.equal(home.dispatcher.open, 2);
  const { link } = home.connect({ entries: [entry(sent, 'running')] });
  await home.settle();
  assert.deepEqual(
    link.orders.map(({ requestId }) => requestId),
    [gone],
  );
  await home.restart();
  home.connect({ ledgerId: 'other' });
  await home.settle();
  for (const requestId of [sent, gone]) assert.equal((await home.row(requestId)).state, 'interrupted');
});

test('row 24: a device that speaks about the request of another is refused and written down', async (t) => {
  const home = await DispatchHome.make(t, 2);
  const { link } = home.connect();
  const stranger = home.connect({ device: home.device(1) }).link;
  const { requestId } = await home.dispatcher.submit(home.order());
  home.result(stranger, requestId, 'failed');
  home.dispatcher.nodes.started(stranger, requestId, 1);
  const data = Buffer.from('forged');
  home.dispatcher.nodes.output(stranger, requestId, { channel: 'stdout', offset: 0, data, skippedBytes: 0 });
  assert.equal(home.dispatcher.nodes.bulkOpened(stranger, requestId, { stdin: () => undefined }), undefined);
  await home.settle();
  assert.deepEqual(stranger.acknowledged, []);
  const { state, stdout_bytes: bytes } = await home.dispatcher.get(requestId);
  assert.deepEqual([state, bytes], ['dispatched', 0]);
  const foreign = (await home.audited()).filter(({ action }) => action === 'request.foreign_answer');
  assert.ok(foreign.length >= 4);
  assert.equal(foreign[0]?.actor, `device:${stranger.deviceId}`);
  home.result(link, requestId);
  await home.settle();
  assert.equal((await home.row(requestId)).state, 'succeeded');
});

test('a link that was replaced has no say any more', async (t) => {
  const home = await DispatchHome.make(t);
  const old = home.connect().link;
  const { requestId } = await home.dispatcher.submit(home.order());
  home.connect({ entries: [entry(requestId, 'running')] });
  home.result(old, requestId, 'failed');
  await home.settle();
  assert.equal((await home.row(requestId)).completed_at_unix_ms, null);
});

test('a request waits for an offline node as long as it may, and is never run after', async (t) => {
  const home = await DispatchHome.make(t);
  await assert.rejects(home.dispatcher.submit(home.order()), refused('node_offline'));
  const { requestId: early } = await home.dispatcher.submit(home.order({ queueTtlMs: HOUR_MS }));
  home.clock.advance(HOUR_MS - 1);
  const { link } = home.connect();
  await home.settle();
  assert.deepEqual(
    link.orders.map(({ requestId, queueLeftMs }) => [requestId, queueLeftMs]),
    [[early, 1]],
  );
  home.dispatcher.nodes.linkClosed(link);

  const { requestId: late } = await home.dispatcher.submit(home.order({ queueTtlMs: HOUR_MS }));
  home.clock.advance(HOUR_MS);
  await home.settle();
  assert.equal((await home.row(late)).state, 'expired');
  const again = home.connect({ entries: [entry(early, 'running')] });
  await home.settle();
  assert.equal(again.link.orders.length, 0);
});

test('the run time counts by the clock of the daemon, whatever a node says about its own', async (t) => {
  for (const skewMs of [-24 * HOUR_MS, 0, 365 * 24 * HOUR_MS]) {
    const home = await DispatchHome.make(t);
    const { link } = home.connect();
    const { requestId } = await home.dispatcher.submit(home.order({ runTimeoutMs: 60_000 }));
    home.dispatcher.nodes.started(link, requestId, home.clock.now() + skewMs);
    home.clock.advance(59_999 + LIMITS.deadlineSlackMs);
    await home.settle();
    assert.equal((await home.row(requestId)).completed_at_unix_ms, null, `too early with a skew of ${skewMs} ms`);
    home.clock.advance(1);
    await home.settle();
    assert.equal((await home.row(requestId)).state, 'timed_out', `not at all with a skew of ${skewMs} ms`);
    assert.deepEqual(link.cancelled, [requestId]);
  }
});

test('a node that takes a request and never speaks of it does not keep it open for ever', async (t) => {
  const home = await DispatchHome.make(t);
  const { link } = home.connect();
  const { requestId } = await home.dispatcher.submit(home.order({ runTimeoutMs: 60_000 }));
  home.clock.advance(60_000 + LIMITS.deadlineSlackMs);
  await home.settle();
  assert.equal((await home.row(requestId)).state, 'interrupted');
  home.result(link, requestId);
  await home.settle();
  assert.equal((await home.row(requestId)).state, 'interrupted', 'what ended stays ended');
  assert.deepEqual(link.acknowledged, [requestId], 'and the node need not keep its result');
});

test('a cancel ends what waits at once, and asks for the end of what runs', async (t) => {
  const home = await DispatchHome.make(t);
  const actor = { id: 'operator:other', name: 'other', source: 'unix' };
  const { requestId: queued } = await home.dispatcher.submit(home.order({ queueTtlMs: HOUR_MS }));
  assert.equal((await home.dispatcher.cancel(queued, actor, 'no')).state, 'cancelled');
  await assert.rejects(home.dispatcher.cancel(queued, actor, 'no'), refused('request_already_finished'));

  const { link } = home.connect();
  const { requestId: running } = await home.dispatcher.submit(home.order());
  home.dispatcher.nodes.started(link, running, home.clock.now());
  await home.dispatcher.cancel(running, actor, 'no');
  assert.deepEqual(link.cancelled, [running]);
  assert.equal((await home.dispatcher.get(running)).state, 'running');

  // The wish outlives the stream and the daemon.
  await home.restart();
  const next = home.connect({ entries: [entry(running, 'running')] }).link;
  await home.settle();
  assert.deepEqual(next.cancelled, [running]);
  home.result(next, running, 'cancelled');
  await home.settle();
  assert.equal((await home.row(running)).state, 'cancelled');
  assert.equal((await home.row(running)).cancel_requested_by, actor.id);
});

test('a key gives one request, however often and at the same time it is used', async (t) => {
  const home = await DispatchHome.make(t);
  const { link } = home.connect();
  const keyed = (sha: string) =>
    home.dispatcher.submit(home.order({ idempotency: { operatorId: 'op', key: 'k', requestSha256: sha } }));
  const receipts = await Promise.all(Array.from({ length: 10 }, () => keyed('a')));
  assert.equal(new Set(receipts.map(({ requestId }) => requestId)).size, 1);
  assert.equal(receipts.filter(({ reused }) => !reused).length, 1);
  assert.equal(link.orders.length, 1);
  assert.equal(home.dispatcher.open, 1);
  await assert.rejects(keyed('b'), refused('idempotency_mismatch'));
});

test('watchers see the same, from where they ask, and one end; who comes late reads it from the record', async (t) => {
  const home = await DispatchHome.make(t);
  const { link } = home.connect();
  const { requestId } = await home.dispatcher.submit(home.order());
  const watch = async (from: number): Promise<WatchEvent[]> => {
    const events: WatchEvent[] = [];
    await home.dispatcher.watch(
      requestId,
      { stdoutBytes: from, stderrBytes: 0 },
      { holds: false, deliver: (event) => void events.push(event) },
    );
    return events;
  };
  const text = (events: readonly WatchEvent[]): string =>
    events.map((event) => (event.type === 'output' ? event.data.toString() : '')).join('');
  const early = await watch(0);
  home.dispatcher.nodes.output(link, requestId, {
    channel: 'stdout',
    offset: 0,
    data: Buffer.from('abcdef'),
    skippedBytes: 0,
  });
  // The same bytes again, as after a reconnection.
  home.dispatcher.nodes.output(link, requestId, {
    channel: 'stdout',
    offset: 3,
    data: Buffer.from('defghi'),
    skippedBytes: 0,
  });
  const middle = await watch(4);
  await Promise.resolve();
  home.dispatcher.nodes.result(link, {
    requestId,
    outcome: 'succeeded',
    errorCode: null,
    errorMessage: null,
    errorHint: null,
    outputJson: null,
    exitCode: 0,
    signal: null,
    channels: { stdout: { sizeBytes: 9, sha256: null }, stderr: { sizeBytes: 0, sha256: null } },
    startedAtUnixMs: null,
    durationMs: 1,
    treeKill: null,
    receiptSignature: null,
  });
  await home.settle();
  const late = await watch(2);
  await Promise.resolve();
  assert.deepEqual([early, middle, late].map(text), ['abcdefghi', 'efghi', 'cdefghi']);
  for (const events of [early, middle, late]) {
    assert.equal(events.filter(({ type }) => type === 'end').length, 1);
    assert.equal(events.at(-1)?.type, 'end');
  }
});
