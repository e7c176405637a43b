import type { IncomingMessage } from 'node:http';
import type { CapabilityDispatch } from '../dispatch/types.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { RequestId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';

const NOTHING = Buffer.alloc(0);

/**
 * Takes standard input as it comes and no faster than the node does. A caller that hangs up in the middle closes
 * nothing: it may come back and go on from what is acknowledged. Resolves with the offset behind the last byte.
 */
export async function takeStdin(
  dispatch: CapabilityDispatch,
  requestId: RequestId,
  { incoming, offset, end }: { readonly incoming: IncomingMessage; readonly offset: number; readonly end: boolean },
): Promise<number> {
  let at = offset;
  try {
    // Not destroyed when writeStdin refuses: the caller is still to be told why.
    for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (let from = 0; from < chunk.length; from += LIMITS.chunkBytes) {
        const piece = chunk.subarray(from, from + LIMITS.chunkBytes);
        await dispatch.writeStdin(requestId, at, piece, false);
        at += piece.length;
      }
    }
  } catch (cause) {
    if (cause === incoming.errored) throw new PalyraError('cancelled', 'the caller hung up', { cause });
    throw cause;
  }
  if (end) await dispatch.writeStdin(requestId, at, NOTHING, true);
  return at;
}
