import type { Clock } from '../../kernel/clock.ts';
import { systemCode } from '../../kernel/errors.ts';
import { type ProcessEntry, processEntry } from './process-table.ts';

/** How long what was killed may take to disappear before it counts as a survivor. */
const AFTER_KILL_MS = 5000;
const FIRST_LOOK_MS = 5;
const LONGEST_LOOK_MS = 100;

interface Ending {
  /** Who is to end, looked up anew each time. */
  readonly members: () => Promise<ProcessEntry[]> | ProcessEntry[];
  /** Kills all at once where that is possible. */
  readonly killAll?: () => void;
  readonly graceMs: number;
  readonly clock: Clock;
}

/**
 * Sends SIGTERM, waits for `graceMs`, sends SIGKILL, until two looks in a row find nobody. Resolves to the pids that
 * are still there five seconds after the kill.
 */
export async function endProcesses({ members, killAll, graceMs, clock }: Ending): Promise<number[]> {
  const asked = new Set<string>();
  const patience = clock.monotonic() + graceMs;
  let pause = FIRST_LOOK_MS;
  while (clock.monotonic() < patience) {
    const alive = await members();
    if (alive.length === 0 && (await members()).length === 0) return [];
    for (const entry of alive) {
      const key = `${entry.pid}:${entry.startTime}`;
      if (asked.has(key)) continue;
      asked.add(key);
      signal(entry, 'SIGTERM');
      // A stopped process hears nothing before it goes on.
      signal(entry, 'SIGCONT');
    }
    await clock.sleep(Math.min(pause, Math.max(1, patience - clock.monotonic())));
    pause = Math.min(pause * 1.5, LONGEST_LOOK_MS);
  }
  const end = clock.monotonic() + AFTER_KILL_MS;
  pause = FIRST_LOOK_MS;
  for (;;) {
    const alive = await members();
    if (alive.length === 0 && (await members()).length === 0) return [];
    if (clock.monotonic() >= end) return alive.map(({ pid }) => pid);
    killAll?.();
    for (const entry of alive) signal(entry, 'SIGKILL');
    await clock.sleep(pause);
    pause = Math.min(pause * 1.5, LONGEST_LOOK_MS);
  }
}

/** Signals a process if the pid is still its own: a stranger who got the number meanwhile is left alone. */
function signal({ pid, startTime }: ProcessEntry, name: NodeJS.Signals): void {
  if (processEntry(pid)?.startTime !== startTime) return;
  try {
    process.kill(pid, name);
  } catch (error) {
    if (systemCode(error) !== 'ESRCH' && systemCode(error) !== 'EPERM') throw error;
  }
}
