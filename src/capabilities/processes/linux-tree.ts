import type { ProcessEntry } from './process-table.ts';
import { hasMark, processEntry, processTable } from './process-table.ts';

/** What belongs to a tree whose root may be gone already. */
export interface TreeSigns {
  /** First processes of the tree, each its own group and session. */
  readonly leaders: readonly { readonly pid: number; readonly startTime: string }[];
  /** `NAME=value` that stands in the environment of what belongs to it. */
  readonly mark: string;
}

/**
 * Finds the processes of a tree: by the mark they inherited, by the leader's group and session, as children of such.
 * Each look remembers what it saw, so that a process cannot leave by starting another program or a session.
 */
export class LinuxTree {
  readonly #signs: TreeSigns;
  readonly #known = new Set<string>();
  readonly #strangers = new Set<string>();
  readonly #never: ReadonlySet<number>;

  constructor(signs: TreeSigns) {
    this.#signs = signs;
    this.#never = selfAndParents();
  }

  /** The living ones, now. */
  async members(): Promise<ProcessEntry[]> {
    const table = (await processTable()).filter(({ pid, zombie }) => !zombie && !this.#never.has(pid));
    const members = new Map<number, ProcessEntry>();
    for (const entry of table) if (this.#belongs(entry, table)) members.set(entry.pid, entry);
    for (let grew = true; grew; ) {
      grew = false;
      for (const entry of table) {
        if (members.has(entry.pid) || !members.has(entry.parent)) continue;
        members.set(entry.pid, entry);
        grew = true;
      }
    }
    for (const entry of members.values()) this.#known.add(keyOf(entry));
    return [...members.values()];
  }

  #belongs(entry: ProcessEntry, table: readonly ProcessEntry[]): boolean {
    const key = keyOf(entry);
    if (this.#known.has(key)) return true;
    for (const leader of this.#signs.leaders) {
      if (entry.pid === leader.pid) return entry.startTime === leader.startTime;
      // The number of a group is free for strangers only once it is empty, and then a process of that pid leads it.
      const reused = table.some(({ pid, startTime }) => pid === leader.pid && startTime !== leader.startTime);
      if (!reused && (entry.group === leader.pid || entry.session === leader.pid)) return true;
    }
    // An environment never changes but by starting another program: one look is enough.
    if (this.#strangers.has(key)) return false;
    if (hasMark(entry.pid, this.#signs.mark)) return true;
    this.#strangers.add(key);
    return false;
  }
}

const keyOf = ({ pid, startTime }: ProcessEntry): string => `${pid}:${startTime}`;

/** A node may itself have been started by a request: it never ends itself or who waits for it. */
function selfAndParents(): ReadonlySet<number> {
  const pids = new Set<number>();
  for (let pid = process.pid; pid > 0 && !pids.has(pid); pid = processEntry(pid)?.parent ?? 0) pids.add(pid);
  return pids;
}
