import type { Readable } from 'node:stream';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { RequestView } from '../wire/views.ts';
import { Interrupts } from './interrupts.ts';
import { OutputClosed } from './local-output.ts';
import type { OperatorClient } from './operator-client.ts';
import { RequestWatch, type WatchReader, type WatchTarget } from './request-watch.ts';
import { StdinPump } from './stdin-pump.ts';

export interface FollowOptions {
  readonly client: OperatorClient;
  readonly clock: Clock;
  readonly target: WatchTarget;
  readonly reader: WatchReader;
  /** Goes to the remote program as it comes. */
  readonly stdin?: Readable | undefined;
  /** A line for the person at the terminal. */
  readonly note: (line: string) => void;
  /** Ctrl-C only lets go: the request is somebody else's. */
  readonly onlyWatching?: boolean;
}

export interface Followed {
  readonly request: RequestView;
  /** We asked for its end. */
  readonly interrupted: boolean;
}

// A cancel that the daemon does not take in this time is not waited for when our own reader is gone.
const LAST_CANCEL_MS = 2_000;

/**
 * Follows a request to its end and passes on what the terminal says: Ctrl-C cancels it, a second one lets go of it.
 * Errors: those of RequestWatch.run; `cancelled` when let go; `OutputClosed` after our own reader left and the request
 * was asked to end.
 */
export async function followRequest(options: FollowOptions): Promise<Followed> {
  const { client, clock, note } = options;
  const stopped = new AbortController();
  const stdin =
    options.stdin === undefined
      ? undefined
      : new StdinPump({ client, clock, source: options.stdin, onFailure: (cause) => stopped.abort(cause) });
  let cancelWanted = false;

  const cancel = async (reason: string): Promise<void> => {
    cancelWanted = true;
    const id = watch.requestId;
    if (id === undefined) return;
    try {
      await client.call('POST', `/api/v1/requests/${id}/cancel`, { body: { reason } });
    } catch (cause) {
      // Ended by itself, or the daemon is away: then the next attachment asks again.
      if (!(cause instanceof PalyraError)) throw cause;
    }
  };
  const watch = new RequestWatch({
    client,
    clock,
    target: options.target,
    reader: {
      ...options.reader,
      output: (channel, data, offset) => options.reader.output(channel, data, offset),
      attached: (requestId, reused) => {
        options.reader.attached?.(requestId, reused);
        stdin?.attached(requestId);
        if (cancelWanted) void cancel('interrupted by the operator');
      },
      stdinAcked: (bytes, closed) => stdin?.acknowledged(bytes, closed),
    },
  });

  const letGo = (): void => {
    const id = watch.requestId;
    stopped.abort(
      new PalyraError('cancelled', 'let go of the request; it may go on', {
        hint: id === undefined ? 'palyra requests list' : `palyra requests watch ${id}`,
        ...(id !== undefined && { details: { request_id: id } }),
      }),
    );
  };
  const askToEnd = (): void => {
    note('cancelling; press Ctrl-C again to let go of the request');
    void cancel('interrupted by the operator');
  };
  const interrupts = new Interrupts(options.onlyWatching === true ? letGo : askToEnd, letGo);
  try {
    const request = await watch.run(stopped.signal);
    return { request, interrupted: interrupts.any };
  } catch (cause) {
    // Whoever read our output is gone: so is the reason to run the program.
    if (cause instanceof OutputClosed && options.onlyWatching !== true) {
      const late = new AbortController();
      await Promise.race([
        cancel('the reader of the output is gone').finally(() => late.abort()),
        clock.sleep(LAST_CANCEL_MS, late.signal).catch(() => undefined),
      ]);
    }
    throw cause;
  } finally {
    interrupts.stop();
    stdin?.stop();
  }
}
