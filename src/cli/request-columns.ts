import prettyBytes from 'pretty-bytes';
import prettyMs from 'pretty-ms';
import type { RequestState, RequestView } from '../wire/views.ts';
import { age } from './age.ts';
import type { Colour, Column } from './table.ts';

const COLOURS: Partial<Record<RequestState, Colour>> = {
  running: 'cyan',
  succeeded: 'green',
  failed: 'red',
  timed_out: 'red',
  interrupted: 'red',
  rejected: 'yellow',
};

const LONGEST_SUMMARY = 200;

/** What was asked for, in a few words. */
function summary(request: RequestView): string {
  const text = whatWasAsked(request);
  return text.length > LONGEST_SUMMARY ? `${text.slice(0, LONGEST_SUMMARY)}…` : text;
}

function whatWasAsked({ input }: RequestView): string {
  if (typeof input !== 'object' || input === null) return JSON.stringify(input);
  const { argv, script, path } = input as {
    readonly argv?: unknown;
    readonly script?: unknown;
    readonly path?: unknown;
  };
  if (Array.isArray(argv)) return argv.map(String).join(' ');
  if (typeof script === 'string') return script;
  return typeof path === 'string' ? path : '';
}

const duration = ({ duration_ms: ms }: RequestView): string => (ms === null ? '-' : prettyMs(ms, { compact: true }));
const bytes = (count: number): string => prettyBytes(count, { binary: true });

/** The table of `requests list`; `now` in ms since the epoch. */
export const requestColumns = (now: number): readonly Column<RequestView>[] => [
  { head: 'REQUEST', whole: true, cell: ({ request_id: requestId }) => requestId },
  { head: 'STATE', whole: true, cell: ({ state }) => state, colour: ({ state }) => COLOURS[state] },
  { head: 'EXIT', whole: true, cell: ({ exit_code: code, signal }) => signal ?? (code === null ? '-' : String(code)) },
  { head: 'AGE', cell: ({ created_at_unix_ms: created }) => age(created, now) },
  { head: 'TOOK', cell: duration },
  { head: 'CAPABILITY', cell: ({ capability }) => capability },
  { head: 'WHAT', cell: summary },
  { head: 'DEVICE ID', cell: ({ device_id: deviceId }) => deviceId },
];

/** What `requests show` tells. */
export const requestFacts = (
  request: RequestView,
  now: number,
): readonly (readonly [string, string | number | null | undefined])[] => [
  ['request', request.request_id],
  ['device id', request.device_id],
  ['capability', request.capability],
  ['what', summary(request)],
  ['state', request.state],
  ['error', request.error === null ? null : `${request.error.message} [${request.error.code}]`],
  ['hint', request.error?.hint],
  ['exit code', request.exit_code],
  ['signal', request.signal],
  ['asked by', request.created_by],
  ['asked', `${age(request.created_at_unix_ms, now)} ago`],
  ['started', request.started_at_unix_ms === null ? null : `${age(request.started_at_unix_ms, now)} ago`],
  ['ended', request.completed_at_unix_ms === null ? null : `${age(request.completed_at_unix_ms, now)} ago`],
  ['took', request.duration_ms === null ? null : duration(request)],
  ['time limit', prettyMs(request.run_timeout_ms)],
  ['cancelled by', request.cancel_requested_by],
  ['stdout', bytes(request.stdout_bytes)],
  ['stderr', bytes(request.stderr_bytes)],
  ['kept', request.truncated ? 'head and tail of the output' : null],
  ['processes ended by', request.tree_kill],
  ['output', request.output === null ? null : JSON.stringify(request.output)],
];
