import type { IncomingMessage } from 'node:http';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';

const tooLarge = (): PalyraError =>
  new PalyraError('payload_too_large', `the body is larger than ${LIMITS.httpBodyBytes} bytes`, {
    hint: 'send files and standard input as streams',
  });

/** All of a body, at most LIMITS.httpBodyBytes, within LIMITS.httpBodyMs. */
function readAll(incoming: IncomingMessage, clock: Clock): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const stopTimer = clock.after(LIMITS.httpBodyMs, () =>
      finish(new PalyraError('timed_out', 'the body did not arrive in time')),
    );
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > LIMITS.httpBodyBytes) finish(tooLarge());
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish();
    const onClose = (): void => finish(new PalyraError('cancelled', 'the caller hung up'));
    function finish(failure?: PalyraError): void {
      stopTimer();
      incoming.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      if (failure === undefined) resolve(Buffer.concat(chunks, bytes));
      else reject(failure);
    }
    incoming.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

/**
 * The JSON body of a call; undefined when it has none. Only as `application/json`: what a page of another origin can
 * send without asking is not. Errors: `payload_too_large`, `invalid_argument`, `timed_out`.
 */
export async function readJson(incoming: IncomingMessage, clock: Clock): Promise<unknown> {
  const { 'content-length': length, 'content-type': mediaType = '', 'transfer-encoding': coding } = incoming.headers;
  if (coding === undefined && (length === undefined || length === '0')) return undefined;
  if (Number(length) > LIMITS.httpBodyBytes) throw tooLarge();
  if (mediaType.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    throw new PalyraError('invalid_argument', 'the body must be application/json');
  }
  const bytes = await readAll(incoming, clock);
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new PalyraError('invalid_argument', `the body is not JSON: ${cause.message}`);
  }
}
