// Everything that can happen to requests, in random orders, against an honest node that keeps a ledger: each accepted
// request ends exactly once, none runs twice, and every success really ran.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { LedgerEntry } from '../../../src/dispatch/node-link.ts';
import { isTerminal } from '../../../src/dispatch/states.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';
import type { RequestId } from '../../../src/kernel/ids.ts';
import type { RequestState } from '../../../src/store/schema.ts';
import { DispatchHome, type RecordingLink } from '../../support/dispatch-home.ts';
import { rounds } from '../../support/long.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** A machine: runs what it is sent once, remembers until it is told to forget. */
class HonestNode {
  readonly home: DispatchHome;
  readonly runs = new Map<RequestId, number>();
  readonly #ledger = new Map<RequestId, 'running' | 'finished' | 'lost'>();
  #ledgerId = 'ledger-0';
  #taken = 0;
  link: RecordingLink | undefined;

  constructor(home: DispatchHome) {
    this.home = home;
  }

  connect(): void {
    const entries: LedgerEntry[] = [...this.#ledger].map(([requestId, state]) => ({
      requestId,
      state,
      stdinAckedBytes: 0,
      stdinClosed: false,
    }));
    const { link, plan } = this.home.connect({ entries, ledgerId: this.#ledgerId });
    this.link = link;
    this.#taken = 0;
    for (const requestId of plan.forget) this.#ledger.delete(requestId);
    for (const { requestId } of plan.resume) {
      if (this.#ledger.get(requestId) === 'finished') this.home.result(link, requestId);
    }
  }

  disconnect(): void {
    if (this.link !== undefined) this.home.dispatcher.nodes.linkClosed(this.link);
    this.link = undefined;
  }

  /** Starts what it was sent, and hears what it may forget. */
  work(): void {
    const { link } = this;
    if (link === undefined) return;
    for (const { requestId } of link.orders.slice(this.#taken)) {
      if (this.#ledger.has(requestId)) continue;
      this.#ledger.set(requestId, 'running');
      this.runs.set(requestId, (this.runs.get(requestId) ?? 0) + 1);
      this.home.dispatcher.nodes.started(link, requestId, this.home.clock.now());
    }
    this.#taken = link.orders.length;
    for (const requestId of link.acknowledged) this.#ledger.delete(requestId);
  }

  /** Ends what runs. */
  finish(): void {
    for (const [requestId, state] of this.#ledger) {
      if (state !== 'running') continue;
      this.#ledger.set(requestId, 'finished');
      if (this.link !== undefined) this.home.result(this.link, requestId);
    }
  }

  /** Killed and started again: what ran is lost, what had ended is in the ledger. */
  restart(): void {
    this.disconnect();
    for (const [requestId, state] of this.#ledger) if (state === 'running') this.#ledger.set(requestId, 'lost');
  }

  /** A power cut: nobody knows what the ledger knew. */
  powerCut(): void {
    this.disconnect();
    this.#ledger.clear();
    this.#ledgerId = `${this.#ledgerId}+`;
  }
}

const EVENTS = [
  'submit',
  'submit queued',
  'connect',
  'disconnect',
  'work',
  'finish',
  'cancel',
  'pass a minute',
  'pass an hour',
  'settle',
  'fail to write',
  'restart the daemon',
  'restart the node',
  'cut the power',
] as const;

const event = fc.oneof(
  { arbitrary: fc.constantFrom(...EVENTS), weight: 2 },
  { arbitrary: fc.constantFrom('submit', 'submit queued', 'connect', 'work', 'settle'), weight: 3 },
) as fc.Arbitrary<(typeof EVENTS)[number]>;

async function happen(event: (typeof EVENTS)[number], home: DispatchHome, node: HonestNode, accepted: RequestId[]) {
  const submit = async (queueTtlMs?: number): Promise<void> => {
    try {
      const order = home.order({ runTimeoutMs: 600_000, ...(queueTtlMs !== undefined && { queueTtlMs }) });
      accepted.push((await home.dispatcher.submit(order)).requestId);
    } catch (cause) {
      assert.ok(cause instanceof PalyraError && ['node_offline', 'disk_full'].includes(cause.code), String(cause));
    }
  };
  switch (event) {
    case 'submit':
      return submit();
    case 'submit queued':
      return submit(30 * 60_000);
    case 'connect':
      return node.connect();
    case 'disconnect':
      return node.disconnect();
    case 'work':
      return node.work();
    case 'finish':
      return node.finish();
    case 'cancel': {
      const requestId = accepted.at(-1);
      if (requestId === undefined) return;
      const actor = { id: 'operator:test', name: 'test', source: 'unix' };
      await home.dispatcher.cancel(requestId, actor, 'no').catch((cause: unknown) => {
        assert.ok(
          cause instanceof PalyraError && ['request_already_finished', 'disk_full'].includes(cause.code),
          String(cause),
        );
      });
      return;
    }
    case 'pass a minute':
      return home.clock.advance(60_000);
    case 'pass an hour':
      return home.clock.advance(60 * 60_000);
    case 'settle':
      return home.settle();
    case 'fail to write': {
      let left = 3;
      home.beforeWrite = () => {
        left -= 1;
        if (left >= 0) throw new PalyraError('disk_full', 'no space left');
      };
      return;
    }
    case 'restart the daemon':
      node.link = undefined;
      return home.restart();
    case 'restart the node':
      return node.restart();
    case 'cut the power':
      return node.powerCut();
  }
}

test('in any order of events each accepted request ends once, runs at most once, and no success is made up', {
  timeout: 600_000,
}, async (t) => {
  let requests = 0;
  const ends = new Map<RequestState, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 20, maxLength: 80, size: 'max' }), async (events) => {
      const closers: (() => unknown)[] = [];
      const home = await DispatchHome.make({ after: (close) => void closers.push(close as () => unknown) });
      try {
        const node = new HonestNode(home);
        const accepted: RequestId[] = [];
        const seen = new Map<RequestId, RequestState>();
        for (const one of events) {
          await happen(one, home, node, accepted);
          for (const requestId of accepted) {
            const { state } = await home.row(requestId);
            const before = seen.get(requestId);
            if (before !== undefined) assert.equal(state, before, 'what ended stays ended');
            else if (isTerminal(state)) seen.set(requestId, state);
          }
        }
        // The world calms down: the disk works, the node is there and finishes, and all time passes.
        home.beforeWrite = undefined;
        for (let calm = 0; calm < 3; calm += 1) {
          node.connect();
          await home.settle();
          node.work();
          node.finish();
          await home.settle();
          node.work();
        }
        home.clock.advance(DAY_MS);
        await home.settle();

        const audited = await home.audited();
        for (const requestId of accepted) {
          const { state } = await home.row(requestId);
          const runs = node.runs.get(requestId) ?? 0;
          assert.ok(isTerminal(state), `${requestId} is ${state}`);
          assert.ok(runs <= 1, `${requestId} ran ${runs} times`);
          if (state === 'succeeded') assert.equal(runs, 1);
          if (state === 'expired') assert.equal(runs, 0);
          const ended = audited.filter(({ action, subject }) => action === 'request.ended' && subject === requestId);
          assert.equal(ended.length, 1, `${requestId} was ended ${ended.length} times`);
          ends.set(state, (ends.get(state) ?? 0) + 1);
        }
        assert.equal(home.dispatcher.open, 0);
        for (const requestId of node.runs.keys()) {
          assert.ok(accepted.includes(requestId), 'what ran was accepted');
        }
        requests += accepted.length;
      } finally {
        for (const close of closers) await close();
      }
    }),
    { numRuns: rounds(120, 1_500), endOnFailure: false },
  );
  t.diagnostic(`${requests} requests: ${JSON.stringify(Object.fromEntries(ends))}`);
});
