import { PalyraError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import type { CapabilityContext, TreeKill } from '../capability.ts';
import { ProgramOver, pumpOutput } from './output-pump.ts';
import type { ProgramEnd, RunningProgram, TreeEnd } from './process-host.ts';
import { feedStdin } from './stdin-feed.ts';

export interface ProgramRun extends ProgramEnd {
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  readonly treeKill: TreeKill | undefined;
}

type RunContext = Pick<CapabilityContext, 'signal' | 'stdout' | 'stderr' | 'stdin' | 'clock'>;

/**
 * Carries a running program to its end: its output to the sinks, its input from the request. When the request is
 * aborted, or a sink fails, the whole tree is ended. Resolves when the program is over and its output is taken.
 * Errors: kill_failed; what a sink or the input threw while the request was still on.
 */
export async function runProgram(program: RunningProgram, context: RunContext): Promise<ProgramRun> {
  const { signal, clock } = context;
  const over = new ProgramOver();
  let ending: Promise<TreeEnd> | undefined;
  let failure: { readonly error: unknown } | undefined;
  const killed = Promise.withResolvers<TreeEnd>();
  const kill = (): void => {
    if (ending !== undefined) return;
    ending = program.endTree(LIMITS.killGraceMs, clock);
    killed.resolve(ending);
  };
  const fail = (error: unknown): void => {
    failure ??= { error };
    kill();
  };
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();

  const counts = { stdout: 0, stderr: 0 };
  const pump = async (channel: 'stdout' | 'stderr'): Promise<void> => {
    try {
      counts[channel] = await pumpOutput(program[channel], context[channel], over, clock);
    } catch (error) {
      fail(error);
    }
  };
  const output = Promise.all([pump('stdout'), pump('stderr')]);
  if (context.stdin !== undefined && program.stdin !== undefined) {
    feedStdin(context.stdin, program.stdin).catch((error: unknown) => {
      if (!over.yes) fail(error);
    });
  }

  try {
    const end = await Promise.race([program.exited, killed.promise.then((tree) => giveUp(tree, program.exited))]);
    over.set();
    program.stdin?.destroy();
    // The reader of a killed program may be gone; a living one's is waited for as long as the request lasts.
    const cut = killed.promise.then(() => clock.sleep(LIMITS.killedOutputMs));
    await Promise.race([output, cut]);
    const tree = await ending;
    if (tree !== undefined) assertGone(tree);
    if (failure !== undefined && !signal.aborted) throw failure.error;
    return { ...end, stdoutBytes: counts.stdout, stderrBytes: counts.stderr, treeKill: tree?.treeKill };
  } finally {
    signal.removeEventListener('abort', kill);
    program.stdout.destroy();
    program.stderr.destroy();
    program.stdin?.destroy();
  }
}

/** After the tree was ended the program is over too, or never will be. */
async function giveUp(tree: TreeEnd, exited: Promise<ProgramEnd>): Promise<ProgramEnd> {
  assertGone(tree);
  return exited;
}

function assertGone({ survivors }: TreeEnd): void {
  if (survivors.length === 0) return;
  throw new PalyraError('kill_failed', `${survivors.length} processes of the request could not be ended`, {
    hint: `on the node: kill ${survivors.join(' ')}`,
    details: { pids: survivors },
  });
}
