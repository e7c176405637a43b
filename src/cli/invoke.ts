import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { requestFailure } from './exec-exit.ts';
import type { OperatorClient } from './operator-client.ts';
import { readText } from './read-text.ts';
import { remoteRun } from './remote-run.ts';
import type { WatchTarget } from './request-watch.ts';

/** The input of a capability from a flag: JSON, `@FILE` or `-`. Errors: `usage`. */
export async function invokeInput(text: string | undefined): Promise<unknown> {
  if (text === undefined) return {};
  const file = text === '-' ? '-' : text.startsWith('@') ? text.slice(1) : undefined;
  const json = file === undefined ? text : await readText(file, LIMITS.inputBytes);
  try {
    return JSON.parse(json);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new PalyraError('usage', `the input is not JSON: ${cause.message}`, {
      hint: `quote it for your shell: --input '{"name":"value"}'`,
    });
  }
}

export interface InvokeOptions {
  readonly client: OperatorClient;
  readonly target: WatchTarget;
  readonly json: boolean;
  readonly raw: boolean;
  readonly note: (line: string) => void;
  /** Prints a JSON document. */
  readonly print: (document: unknown) => void;
}

/**
 * Asks for a capability and prints its structured output, or passes on what it streamed. Resolves with the exit code.
 * Errors: those of `followRequest`; the request's own where it did not succeed.
 */
export async function invoke(options: InvokeOptions): Promise<number> {
  const { client, target, json, raw, note, print } = options;
  const format = json ? 'json' : 'live';
  const { request } = await remoteRun({ client, target, format, raw, note, printJson: print });
  const { state, error, exit_code: exitCode } = request;
  if (state !== 'succeeded' && (error !== null || exitCode === null)) throw requestFailure(request);
  if (!json && request.stdout_bytes === 0 && request.output !== null) print(request.output);
  return exitCode ?? 0;
}
