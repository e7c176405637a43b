// Entry of the worker thread; `npm run gen` bundles it to dist/assets/workers/pake.cjs.
import { parentPort } from 'node:worker_threads';
import { PalyraError } from '../kernel/errors.ts';
import { verifierRespond } from '../pake/spake2plus.ts';
import type { PakeResult, PakeTask } from './pake-messages.ts';

function respond({ id, names, verifier, shareP }: PakeTask): PakeResult {
  try {
    return { id, keys: verifierRespond(names, verifier, shareP) };
  } catch (cause) {
    // Everything else ends the thread: its owner tells it as a fault.
    if (!(cause instanceof PalyraError) || cause.code !== 'invalid_argument') throw cause;
    return { id, refused: cause.message };
  }
}

parentPort?.on('message', (task: PakeTask) => {
  parentPort?.postMessage(respond(task));
});
