import { Command } from '@oclif/core/command';
import * as Flags from '@oclif/core/flags';
import { palyraHome } from '../kernel/paths.ts';
import { describeError, type ErrorReport, renderError } from './describe-error.ts';
import { ownWords } from './own-words.ts';

/** How a command prints its data. */
export type OutputFormat = 'table' | 'json' | 'ndjson' | 'name';

/** What all commands share: where the home is, and how failures are told. */
export abstract class BaseCommand extends Command {
  static override baseFlags = {
    home: Flags.string({
      summary: 'Folder that holds everything of this user.',
      env: 'PALYRA_HOME',
      helpGroup: 'GLOBAL',
      helpValue: 'DIR',
    }),
  };

  protected homeOf(flags: { readonly home?: string | undefined }): string {
    return palyraHome(flags.home);
  }

  /** Whether the words of the command line ask for JSON: also known when parsing them failed. */
  protected get wantsJson(): boolean {
    const words = ownWords(this.argv);
    return words.some(
      (word, at) =>
        word === '--json' ||
        /^(-o|--output)=?(json|ndjson)$/.test(word) ||
        ((word === '-o' || word === '--output') && /^(json|ndjson)$/.test(words[at + 1] ?? '')),
    );
  }

  protected override async catch(cause: Error & { exitCode?: number }): Promise<never> {
    // What this.exit() throws is not a failure to report.
    if ('oclif' in cause && cause.name === 'ExitError') throw cause;
    if ((cause as { code?: string }).code === 'EEXIT') throw cause;
    const report = describeError(cause);
    process.stderr.write(this.wantsJson ? `${JSON.stringify({ error: report.error })}\n` : renderError(report));
    return this.exit(this.exitCodeOf(report));
  }

  /** The exit code of a failure; a command that passes on the code of another program has its own rule. */
  protected exitCodeOf({ exit }: ErrorReport): number {
    return exit;
  }

  /** One JSON document on standard output. */
  protected printJson(document: unknown): void {
    this.log(JSON.stringify(document, null, process.stdout.isTTY ? 2 : undefined));
  }
}

/** `-o` and its short form, for commands that print data. */
export const outputFlags = {
  output: Flags.option({
    char: 'o',
    summary: 'How to print the result.',
    options: ['table', 'json', 'ndjson', 'name'] as const,
    helpGroup: 'OUTPUT',
  })(),
  json: Flags.boolean({ summary: 'Short for --output json.', helpGroup: 'OUTPUT', exclusive: ['output'] }),
};

/** The format that the flags ask for; a table when they say nothing. */
export function formatOf(flags: { readonly output?: OutputFormat | undefined; readonly json?: boolean }): OutputFormat {
  return flags.json ? 'json' : (flags.output ?? 'table');
}
