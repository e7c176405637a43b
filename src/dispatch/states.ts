import type { RequestState } from '../store/schema.ts';

/** What can happen to a request. */
export type RequestEvent =
  | 'approved'
  | 'denied'
  | 'handed_over'
  | 'taken_back'
  | 'asked_locally'
  | 'started'
  | 'succeeded'
  | 'failed'
  | 'timed_out'
  | 'cancelled'
  | 'rejected'
  | 'expired'
  | 'interrupted';

type Row = Partial<Record<RequestEvent, RequestState>>;

const ENDINGS_BEFORE_A_NODE: Row = { cancelled: 'cancelled', expired: 'expired', rejected: 'rejected' };
const ENDINGS_ON_A_NODE: Row = {
  succeeded: 'succeeded',
  failed: 'failed',
  timed_out: 'timed_out',
  cancelled: 'cancelled',
  rejected: 'rejected',
  expired: 'expired',
  interrupted: 'interrupted',
};
const TERMINAL: Row = {};

/** The whole life of a request (DESIGN 7). A state without a row entry for an event ignores it. */
const REQUEST_STATES: Readonly<Record<RequestState, Row>> = {
  awaiting_approval: { approved: 'queued', denied: 'rejected', ...ENDINGS_BEFORE_A_NODE },
  queued: { handed_over: 'dispatched', ...ENDINGS_BEFORE_A_NODE },
  // Taken back: the node never received it, so it waits again.
  dispatched: {
    taken_back: 'queued',
    handed_over: 'dispatched',
    asked_locally: 'awaiting_local_mediation',
    started: 'running',
    ...ENDINGS_ON_A_NODE,
  },
  awaiting_local_mediation: { handed_over: 'awaiting_local_mediation', started: 'running', ...ENDINGS_ON_A_NODE },
  running: { handed_over: 'running', ...ENDINGS_ON_A_NODE },
  succeeded: TERMINAL,
  failed: TERMINAL,
  timed_out: TERMINAL,
  cancelled: TERMINAL,
  rejected: TERMINAL,
  expired: TERMINAL,
  interrupted: TERMINAL,
};

/** The state after `event`, or undefined when it means nothing there. */
export const nextRequestState = (state: RequestState, event: RequestEvent): RequestState | undefined =>
  REQUEST_STATES[state][event];

export const isTerminal = (state: RequestState): boolean => REQUEST_STATES[state] === TERMINAL;
