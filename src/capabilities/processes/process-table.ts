// Linux: who runs, by /proc.
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemCode } from '../../kernel/errors.ts';

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Clock ticks since boot: with the pid it names the process for good. */
  readonly startTime: string;
  /** One letter: R, S, D, T, Z, … */
  readonly state: string;
  /** It is over; only its parent has not looked yet. */
  readonly zombie: boolean;
}

/** How many entries are read before the event loop gets a turn. */
const PER_TURN = 64;

/** All processes that can be seen now. */
export async function processTable(): Promise<ProcessEntry[]> {
  const entries: ProcessEntry[] = [];
  let read = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const entry = processEntry(Number(name));
    if (entry !== undefined) entries.push(entry);
    read += 1;
    if (read % PER_TURN === 0) await nextTurn();
  }
  return entries;
}

/** One process, or undefined when there is none of that pid. */
export function processEntry(pid: number): ProcessEntry | undefined {
  const stat = readQuietly(`/proc/${pid}/stat`)?.toString('latin1');
  if (stat === undefined) return undefined;
  // The name in parentheses may hold anything, also parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state = '', parent, group, session] = fields;
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    startTime: fields[19] ?? '',
    state,
    zombie: state === 'Z' || state === 'X',
  };
}

/** Whether the environment a process was started with has `NAME=value`; false where it cannot be read. */
export function hasMark(pid: number, mark: string): boolean {
  const environment = readQuietly(`/proc/${pid}/environ`);
  if (environment === undefined) return false;
  const wanted = Buffer.from(`${mark}\0`);
  let at = environment.indexOf(wanted);
  while (at > 0 && environment[at - 1] !== 0) at = environment.indexOf(wanted, at + 1);
  return at !== -1;
}

function readQuietly(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    // It ended meanwhile, or is none of ours.
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}
