import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { systemCode } from '../../kernel/errors.ts';

/**
 * Writes what the request sends into the program's standard input, at the program's pace, and closes it at the end.
 * A program that stops reading is no failure: what is left is not asked for. Rejects with what the source throws.
 */
export async function feedStdin(source: AsyncIterable<Buffer>, stdin: Writable): Promise<void> {
  const closed = new AbortController();
  stdin.once('close', () => closed.abort());
  stdin.on('error', (error) => {
    if (systemCode(error) === undefined) throw error;
  });
  const chunks = source[Symbol.asyncIterator]();
  const over = new Promise<undefined>((resolve) => {
    closed.signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  try {
    while (!closed.signal.aborted) {
      const step = await Promise.race([chunks.next(), over]);
      if (step === undefined || step.done === true) break;
      if (!stdin.write(step.value)) await drained(stdin, closed.signal);
    }
    stdin.end();
  } catch (error) {
    stdin.destroy();
    throw error;
  } finally {
    // Not waited for: a source that is in the middle of its wait answers only after it.
    chunks.return?.().catch(() => undefined);
  }
}

async function drained(stdin: Writable, signal: AbortSignal): Promise<void> {
  try {
    await once(stdin, 'drain', { signal });
  } catch (error) {
    if (!signal.aborted && systemCode(error) === undefined) throw error;
  }
}
