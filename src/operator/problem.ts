import { randomUUID } from 'node:crypto';
import { FAULTS, PalyraError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import type { ErrorView } from '../wire/views.ts';

/** What a failure looks like over HTTP. */
export interface Problem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly document: { readonly error: ErrorView };
}

/** Turns what a handler threw into an answer. Unknown faults tell the caller an id and nothing else; the log has both. */
export function problemOf(cause: unknown, log: Logger): Problem {
  if (!(cause instanceof PalyraError)) {
    const requestId = randomUUID();
    log.error({ err: cause, request_id: requestId }, 'a call of the operator API failed');
    const error = {
      code: 'internal',
      message: 'a fault of the daemon',
      hint: `the daemon's log has it under ${requestId}`,
      request_id: requestId,
    };
    return { status: FAULTS.internal.http, headers: {}, document: { error } };
  }
  const { code, message, hint, details } = cause;
  const requestId = details?.['request_id'];
  const retryAfterMs = details?.['retry_after_ms'];
  return {
    status: FAULTS[code].http,
    headers: {
      ...(code === 'unauthenticated' && { 'www-authenticate': 'Bearer' }),
      ...(typeof retryAfterMs === 'number' && { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }),
    },
    document: {
      error: {
        code,
        message,
        ...(hint !== undefined && { hint }),
        ...(typeof requestId === 'string' && { request_id: requestId }),
        ...(details !== undefined && { details: { ...details } }),
      },
    },
  };
}
