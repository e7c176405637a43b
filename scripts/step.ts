import { type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';

const ROOT = dirname(import.meta.dirname);

/** A failed step; what it printed says why. */
export class StepFailed extends Error {}

/** Runs one program of this project, says so before and tells the time after. */
export async function step(name: string, argv: readonly string[], options: SpawnOptions = {}): Promise<void> {
  process.stderr.write(`==> ${name}\n`);
  const began = performance.now();
  const code = await exitOf(argv, options);
  if (code !== 0) throw new StepFailed(`${name} failed (exit ${code})`);
  process.stderr.write(`    ${name}: ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
}

/** Exit code of a program that shares the terminal; 128 and more when a signal ended it. */
export async function exitOf([program = '', ...rest]: readonly string[], options: SpawnOptions = {}): Promise<number> {
  const child = spawn(program, rest, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], ...options });
  const [code] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return code ?? 128;
}

/** Ends this process with the failure of a step, or lets any other fault rise. */
export function endWith(cause: unknown): never {
  if (!(cause instanceof StepFailed)) throw cause;
  process.stderr.write(`${cause.message}\n`);
  process.exit(1);
}
