import assert from 'node:assert/strict';
import { test } from 'node:test';
import { execBody } from '../../../src/cli/exec-body.ts';
import { execExit } from '../../../src/cli/exec-exit.ts';
import type { RequestState, RequestView } from '../../../src/wire/views.ts';

const ended = (state: RequestState, more: Partial<RequestView> = {}): RequestView =>
  ({ request_id: 'r', state, exit_code: null, signal: null, error: null, ...more }) as RequestView;
const error = (code: string) => ({ error: { code, message: 'why', hint: null } });

const TABLE: readonly (readonly [
  request: RequestView,
  interrupted: boolean,
  code: number,
  told: string | undefined,
])[] = [
  [ended('succeeded', { exit_code: 0 }), false, 0, undefined],
  [ended('succeeded'), false, 0, undefined],
  [ended('failed', { exit_code: 1 }), false, 1, undefined],
  [ended('failed', { exit_code: 125 }), false, 125, undefined],
  [ended('failed', { exit_code: 255 }), false, 255, undefined],
  [ended('failed', { exit_code: 256 }), false, 1, undefined],
  [ended('failed', { exit_code: 3 }), true, 3, undefined],
  [ended('failed', { signal: 'SIGTERM' }), false, 143, undefined],
  [ended('failed', { signal: 'SIGSEGV' }), false, 139, undefined],
  [ended('failed', error('program_not_found')), false, 127, 'program_not_found'],
  [ended('failed', error('program_not_executable')), false, 126, 'program_not_executable'],
  [ended('failed', error('spawn_failed')), false, 125, 'spawn_failed'],
  [ended('failed', error('something_new')), false, 125, 'internal'],
  [ended('failed'), false, 125, 'internal'],
  [ended('timed_out', error('timed_out')), false, 124, 'timed_out'],
  [ended('cancelled', error('cancelled')), true, 130, 'cancelled'],
  [ended('cancelled', error('cancelled')), false, 125, 'cancelled'],
  [ended('rejected', error('policy_denied')), false, 125, 'policy_denied'],
  [ended('expired', error('queue_expired')), false, 125, 'queue_expired'],
  [ended('interrupted', error('interrupted')), false, 125, 'interrupted'],
];

test("W40: every end of a request has its exit code, and no failure of ours looks like the program's", () => {
  for (const [request, interrupted, code, told] of TABLE) {
    const exit = execExit(request, interrupted);
    assert.equal(exit.code, code, JSON.stringify(request));
    assert.equal(exit.failure?.code, told, JSON.stringify(request));
  }
});

test('what cannot be run is told before anything is asked', async () => {
  const order = { node: 'web-1', remote: undefined, stdin: false };
  const bad = [
    order,
    { ...order, remote: [] },
    { ...order, script: 'ls', remote: ['ls'] },
    { ...order, shell: 'bash', remote: ['ls'] },
    { ...order, remote: ['ls'], env: ['=x'] },
    { ...order, 'script-file': '-', stdin: true },
    { ...order, 'script-file': '/no/such/file' },
  ];
  for (const one of bad) {
    await assert.rejects(execBody(one), (cause: { code?: string }) => cause.code === 'usage', JSON.stringify(one));
  }
});
