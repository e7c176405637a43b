import type { ClientRequest, IncomingMessage } from 'node:http';
import { isErrorCode, PalyraError } from '../kernel/errors.ts';
import type { ErrorView } from '../wire/views.ts';

// Beyond any document of the API: 500 rows with their structured output.
const LONGEST_DOCUMENT = 256 * 1024 * 1024;

/** Told to callers that may come back: the call was sent, and nothing is known of what became of it. */
export const connectionLost = (cause?: unknown): PalyraError =>
  new PalyraError('daemon_unreachable', 'the connection to the daemon was lost', {
    hint: 'palyra daemon status',
    details: { sent: true },
    cause,
  });

/** The head of an answer. Errors: `daemon_unreachable` when the connection breaks before. */
export function answerOf(call: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    call.once('response', resolve);
    call.once('error', (cause) => reject(cause instanceof PalyraError ? cause : connectionLost(cause)));
  });
}

/** All of an answer as JSON; undefined for an empty one. Errors: `daemon_unreachable`, `not_a_palyra_daemon`. */
export async function jsonOf(answer: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > LONGEST_DOCUMENT) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw connectionLost(cause);
  }
  if (bytes === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new PalyraError('not_a_palyra_daemon', `the daemon answered ${answer.statusCode} without JSON`, {
      hint: 'palyra daemon status',
    });
  }
}

/** An error of the daemon as this program throws it. A code of a newer daemon becomes `internal` and is named. */
export function errorOf({ code, message, hint, details, request_id: requestId }: ErrorView): PalyraError {
  const known = isErrorCode(code);
  const all = { ...details, ...(requestId !== undefined && { request_id: requestId }), ...(!known && { code }) };
  return new PalyraError(known ? code : 'internal', message, {
    hint,
    ...(Object.keys(all).length > 0 && { details: all }),
  });
}

/** The failure that an answer tells. */
export async function failureOf(answer: IncomingMessage): Promise<PalyraError> {
  const document = await jsonOf(answer);
  if (typeof document === 'object' && document !== null && 'error' in document) {
    return errorOf(document.error as ErrorView);
  }
  return new PalyraError('not_a_palyra_daemon', `the daemon answered ${answer.statusCode} without saying why`, {
    hint: 'palyra daemon status',
  });
}
