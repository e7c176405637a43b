import * as Flags from '@oclif/core/flags';
import type { ErrorReport } from './describe-error.ts';
import { EXEC_FAILED, execExit } from './exec-exit.ts';
import type { Followed } from './follow-request.ts';
import { OutputClosed } from './local-output.ts';
import { OperatorCommand } from './operator-command.ts';

// As of a program that SIGPIPE ended: a pipeline must not take it for success.
const READER_GONE = 141;
const INTERRUPTED = 130;

/** How a run is shown. */
export const runFlags = {
  json: Flags.boolean({ summary: 'Print one JSON document at the end.', helpGroup: 'OUTPUT', exclusive: ['output'] }),
  output: Flags.option({
    char: 'o',
    summary: 'Print one document at the end, or a line for each event.',
    options: ['json', 'ndjson'] as const,
    helpGroup: 'OUTPUT',
  })(),
  raw: Flags.boolean({
    summary: 'Let control characters of the remote program reach the terminal.',
    helpGroup: 'OUTPUT',
  }),
};

export const runFormat = (flags: {
  readonly json: boolean;
  readonly output?: 'json' | 'ndjson' | undefined;
}): 'live' | 'json' | 'ndjson' => (flags.json ? 'json' : (flags.output ?? 'live'));

/** A command whose exit code is that of a remote program; failures of its own are 125. */
export abstract class RemoteCommand extends OperatorCommand {
  #code: number | undefined;

  /** Ends as the remote program did. */
  protected async endAs(run: Promise<Followed>): Promise<never> {
    try {
      const { request, interrupted } = await run;
      const { code, failure } = execExit(request, interrupted);
      this.#code = code;
      if (failure !== undefined) throw failure;
      return this.exit(code);
    } catch (cause) {
      if (cause instanceof OutputClosed) return this.exit(READER_GONE);
      throw cause;
    }
  }

  protected override exitCodeOf({ error }: ErrorReport): number {
    return this.#code ?? (error.code === 'cancelled' ? INTERRUPTED : EXEC_FAILED);
  }
}
