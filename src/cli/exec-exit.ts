import { constants } from 'node:os';
import { isErrorCode, PalyraError } from '../kernel/errors.ts';
import type { RequestView } from '../wire/views.ts';

/** What `nodes exec` ends with: a code, and the failure to tell where the code is not the program's own. */
export interface ExecExit {
  readonly code: number;
  readonly failure?: PalyraError;
}

/** Own failures of `nodes exec`, as with docker: none of them can be taken for the program's. */
export const EXEC_FAILED = 125;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;
const TIMED_OUT = 124;
const INTERRUPTED = 130;
const SIGNALLED = 128;

/** A failure as the daemon tells it in the record. */
export function requestFailure(request: RequestView): PalyraError {
  const { state, error, request_id: requestId } = request;
  const code = error === null ? 'internal' : error.code;
  const message = error === null || error.message === '' ? `the request ended ${state}` : error.message;
  return new PalyraError(isErrorCode(code) ? code : 'internal', message, {
    hint: error?.hint ?? `palyra requests show ${requestId}`,
    details: { request_id: requestId, state, ...(!isErrorCode(code) && { code }) },
  });
}

/** Where the system keeps only the low byte, a failure must not become a success. */
function ownCode(code: number): number {
  if (code !== 0 && code % 256 === 0 && process.platform !== 'win32') return 1;
  return code;
}

function failedExit(request: RequestView): ExecExit {
  const { exit_code: exitCode, signal } = request;
  if (exitCode !== null) return { code: ownCode(exitCode) };
  if (signal !== null) {
    const signals: Readonly<Record<string, number | undefined>> = constants.signals;
    return { code: SIGNALLED + (signals[signal] ?? 0) };
  }
  const failure = requestFailure(request);
  if (failure.code === 'program_not_found') return { code: NOT_FOUND, failure };
  return { code: failure.code === 'program_not_executable' ? NOT_EXECUTABLE : EXEC_FAILED, failure };
}

/** The exit code of a finished request (DESIGN 11). */
export function execExit(request: RequestView, interrupted: boolean): ExecExit {
  const { state } = request;
  if (state === 'succeeded') return { code: ownCode(request.exit_code ?? 0) };
  if (state === 'failed') return failedExit(request);
  const failure = requestFailure(request);
  if (state === 'timed_out') return { code: TIMED_OUT, failure };
  return { code: state === 'cancelled' && interrupted ? INTERRUPTED : EXEC_FAILED, failure };
}
