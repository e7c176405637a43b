import type { Clock } from '../../kernel/clock.ts';
import { PalyraError } from '../../kernel/errors.ts';
import type { RunningProgram, StartOrder, TreeEnd } from './process-host.ts';
import { exitOf, ownStreams, spawnFailure, spawnProgram } from './spawned.ts';

type EndTree = (pid: number, graceMs: number, clock: Clock) => Promise<TreeEnd>;

/** Starts a program by its path, where the system offers no more. Errors: as ProcessHost.start, policy_denied. */
export async function startByPath(order: StartOrder, endTree: EndTree): Promise<RunningProgram> {
  const { program, args, env, folder, stdin, limits, account } = order;
  if (account !== undefined || limits.openFiles !== undefined || limits.processes !== undefined) {
    throw new PalyraError('policy_denied', 'run_as and limits are not possible on this operating system', {
      hint: 'the owner of the node takes them out of node-policy.json',
    });
  }
  const child = spawnProgram(program.path, args, {
    stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    cwd: folder.spawnPath,
    env,
  });
  const { pid } = child;
  if (pid === undefined) throw spawnFailure(await child, program.path);
  return {
    pid,
    startTime: '',
    ...ownStreams(child),
    exited: exitOf(child),
    endTree: (graceMs, clock) => endTree(pid, graceMs, clock),
  };
}
