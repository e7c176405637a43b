import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

// Whatever happens to the bench, they end.
const LONGEST_MS = 20_000;
const SPIN = `const end = Date.now() + ${LONGEST_MS}; while (Date.now() < end);`;

/**
 * Runs with every core kept awake by a loop of the lowest priority: a core that sleeps doubles a round trip of 40
 * microseconds, and then what is measured is the sleep.
 */
export async function whileAwake<T>(work: () => Promise<T>): Promise<T> {
  const loops: ChildProcess[] = Array.from({ length: availableParallelism() }, () =>
    spawn('nice', ['-n', '19', process.execPath, '-e', SPIN], { stdio: 'ignore' }),
  );
  try {
    return await work();
  } finally {
    for (const loop of loops) loop.kill('SIGKILL');
  }
}
