import { createInterface } from 'node:readline/promises';
import { PalyraError } from '../kernel/errors.ts';
import { cleanText } from './clean-text.ts';

/** Asks at a terminal before something that hurts. Errors: `usage` without a terminal, `cancelled` for any answer but yes. */
export async function confirm(question: string, already: boolean): Promise<void> {
  if (already) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new PalyraError('usage', 'this needs a yes', { hint: 'add --yes' });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const stop = new AbortController();
  terminal.once('SIGINT', () => stop.abort()).once('close', () => stop.abort());
  try {
    const answer = await terminal.question(`${cleanText(question)} [y/N] `, { signal: stop.signal });
    if (/^y(es)?$/i.test(answer.trim())) return;
  } catch (cause) {
    // Ctrl-C or the end of input: not a yes.
    if (!stop.signal.aborted) throw cause;
    process.stderr.write('\n');
  } finally {
    terminal.close();
  }
  throw new PalyraError('cancelled', 'nothing was done');
}
