import type { CapabilityOutcome } from '../../capabilities/capability.ts';
import { type ErrorCode, FAULTS, PalyraError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import type { Logger } from '../../kernel/log.ts';
import { OUTCOME, type OutcomeName, type ResultMessage } from '../../rpc/frames.ts';

const DENIED_EXIT = 5;
const TEXT_LENGTH = 2_000;

/** How a run ended: with what its capability gave, or with why it gave nothing. */
export type RunEnd =
  | { readonly outcome: CapabilityOutcome; readonly aborted: PalyraError | undefined }
  | { readonly cause: unknown; readonly aborted: PalyraError | undefined };

/** What a result says of the run itself. */
export type ResultPart = Pick<
  ResultMessage,
  'outcome' | 'error_code' | 'error_message' | 'error_hint' | 'output_json' | 'exit_code' | 'signal' | 'tree_kill'
>;

const plain = (text: string): string => text.replace(/\p{Cc}+/gu, ' ').slice(0, TEXT_LENGTH);

const failed = (outcome: OutcomeName, { code, message, hint }: PalyraError): ResultPart => ({
  outcome: OUTCOME[outcome],
  error_code: code,
  error_message: plain(message),
  ...(hint !== undefined && { error_hint: plain(hint) }),
});

const OUTCOME_OF: ReadonlyMap<ErrorCode, OutcomeName> = new Map([
  ['timed_out', 'timed_out'],
  ['cancelled', 'cancelled'],
  ['interrupted', 'interrupted'],
  ['queue_expired', 'expired'],
]);

/** The outcome of something that did not run to its own end. */
function failureResult(cause: unknown, log: Logger): ResultPart {
  if (!(cause instanceof PalyraError)) {
    log.error({ err: cause }, 'a capability failed');
    return failed('failed', new PalyraError('internal', 'the node had a fault of its own; its log tells more'));
  }
  const byTime = OUTCOME_OF.get(cause.code);
  if (byTime !== undefined) return failed(byTime, cause);
  return failed(FAULTS[cause.code].exit === DENIED_EXIT ? 'rejected' : 'failed', cause);
}

/** What the daemon is told of a run. */
export function resultOf(end: RunEnd, log: Logger): ResultPart {
  if ('cause' in end) return failureResult(end.aborted ?? end.cause, log);
  const { outcome, aborted } = end;
  const json = outcome.output === undefined ? undefined : Buffer.from(JSON.stringify(outcome.output));
  if (json !== undefined && json.length > LIMITS.outputJsonBytes) {
    return failureResult(new PalyraError('payload_too_large', 'the capability answered with too much'), log);
  }
  const ended = {
    ...(json !== undefined && { output_json: json }),
    ...(outcome.exitCode !== undefined && { exit_code: outcome.exitCode }),
    ...(outcome.signal !== undefined && { signal: outcome.signal }),
    ...(outcome.treeKill !== undefined && { tree_kill: outcome.treeKill }),
  };
  if (aborted !== undefined) return { ...failureResult(aborted, log), ...ended };
  const well = (outcome.exitCode ?? 0) === 0 && outcome.signal === undefined;
  return { outcome: well ? OUTCOME.succeeded : OUTCOME.failed, ...ended };
}
