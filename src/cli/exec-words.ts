import { PalyraError } from '../kernel/errors.ts';

export interface ExecWords {
  readonly own: string[];
  /** Undefined without a `--`: an empty argv is not the same. */
  readonly remote: readonly string[] | undefined;
}

/** Parts a command line at its first `--`, before anything reads it: not one word behind it is ever taken for ours. */
export function splitWords(argv: readonly string[]): ExecWords {
  const at = argv.indexOf('--');
  return at < 0 ? { own: [...argv], remote: undefined } : { own: argv.slice(0, at), remote: argv.slice(at + 1) };
}

/** `K=V` words as an environment; everything behind the first `=` is the value. Errors: `usage`. */
export function environmentOf(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      if (at < 1) {
        throw new PalyraError('usage', `${JSON.stringify(word)} is not a variable`, {
          hint: 'write it as --env NAME=VALUE',
        });
      }
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}
