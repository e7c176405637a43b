import { createInterface } from 'node:readline/promises';
import { PalyraError } from '../kernel/errors.ts';
import { readText } from './read-text.ts';

const CODE_BYTES = 4096;

export interface CodeSources {
  /** On the command line; `-` for standard input. */
  readonly typed: string | undefined;
  readonly tokenFile: string | undefined;
  readonly environment: string | undefined;
}

/** A PIN or join token from wherever it was given, else asked for at the terminal. Errors: usage, cancelled. */
export async function pairingCode({ typed, tokenFile, environment }: CodeSources): Promise<string> {
  if (typed !== undefined && tokenFile !== undefined) {
    throw new PalyraError('usage', 'a PIN and --token-file are two codes; give one');
  }
  if (typed !== undefined && typed !== '-') return typed;
  const file = tokenFile ?? (typed === '-' ? '-' : undefined);
  if (file !== undefined) return (await readText(file, CODE_BYTES)).trim();
  if (environment !== undefined && environment !== '') return environment;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new PalyraError('usage', 'the PIN is missing', {
      hint: 'palyra node pair PIN, with the PIN that `palyra pairing code` prints on the daemon; `-` reads it from stdin',
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const stop = new AbortController();
  terminal.once('SIGINT', () => stop.abort()).once('close', () => stop.abort());
  try {
    return (await terminal.question('PIN: ', { signal: stop.signal })).trim();
  } catch (cause) {
    if (!stop.signal.aborted) throw cause;
    process.stderr.write('\n');
    throw new PalyraError('cancelled', 'nothing was sent', { cause });
  } finally {
    terminal.close();
  }
}
