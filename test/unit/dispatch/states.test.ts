import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTerminal, nextRequestState, type RequestEvent } from '../../../src/dispatch/states.ts';
import type { RequestState } from '../../../src/store/schema.ts';

const ENDS = ['succeeded', 'failed', 'timed_out', 'cancelled', 'rejected', 'expired', 'interrupted'] as const;
const EVENTS: readonly RequestEvent[] = [
  'approved',
  'denied',
  'handed_over',
  'taken_back',
  'asked_locally',
  'started',
  ...ENDS,
];

/** What DESIGN says, written down once more by hand: state, event, state. */
const ALLOWED: readonly string[] = [
  'awaiting_approval approved queued',
  'awaiting_approval denied rejected',
  'queued handed_over dispatched',
  'dispatched taken_back queued',
  'dispatched handed_over dispatched',
  'dispatched asked_locally awaiting_local_mediation',
  'dispatched started running',
  'awaiting_local_mediation handed_over awaiting_local_mediation',
  'awaiting_local_mediation started running',
  'running handed_over running',
  ...['awaiting_approval', 'queued'].flatMap((state) =>
    ['cancelled', 'expired', 'rejected'].map((end) => `${state} ${end} ${end}`),
  ),
  ...['dispatched', 'awaiting_local_mediation', 'running'].flatMap((state) =>
    ENDS.map((end) => `${state} ${end} ${end}`),
  ),
];
const STATES: readonly RequestState[] = [
  'awaiting_approval',
  'queued',
  'dispatched',
  'awaiting_local_mediation',
  'running',
  ...ENDS,
];

test('each state takes the events of its row and no other', () => {
  const found = STATES.flatMap((state) =>
    EVENTS.map((event) => [state, event, nextRequestState(state, event)]).filter(([, , next]) => next !== undefined),
  );
  assert.deepEqual(found.map((row) => row.join(' ')).sort(), [...ALLOWED].sort());
});

test('what has ended has no way out, and everything else has one to an end', () => {
  for (const state of STATES) {
    assert.equal(isTerminal(state), (ENDS as readonly string[]).includes(state));
    const ends = EVENTS.filter((event) => {
      const next = nextRequestState(state, event);
      return next !== undefined && isTerminal(next);
    });
    assert.equal(ends.length === 0, isTerminal(state), state);
  }
});
