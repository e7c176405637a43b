import type { RequestId } from '../kernel/ids.ts';
import type { OwnEnding } from './ending.ts';
import type { LiveRequest } from './live-request.ts';
import type { LedgerEntry } from './node-link.ts';

export interface ReconcilePlan {
  /** Known on both sides: the run goes on, or its result follows. */
  readonly resume: readonly { readonly live: LiveRequest; readonly entry: LedgerEntry }[];
  /** Never received by the node, so it may be sent (again). */
  readonly again: readonly LiveRequest[];
  /** What the node can never answer for. */
  readonly end: readonly { readonly live: LiveRequest; readonly ending: OwnEnding }[];
  /** Not open here: the node ends and forgets it. */
  readonly forget: readonly RequestId[];
}

const NODE_RESTARTED: OwnEnding = {
  state: 'interrupted',
  code: 'interrupted',
  message: 'the node host restarted while the request ran',
  hint: 'check what it did, then run it again if it is safe to',
};
const LEDGER_LOST: OwnEnding = {
  state: 'interrupted',
  code: 'interrupted',
  message: 'the machine restarted and its ledger does not know whether the request had started',
  hint: 'check what it did, then run it again if it is safe to',
};

/**
 * Decides at hello what becomes of each open request of a device. The node's ledger is asked, never guessed: absent
 * from the same ledger means never received; absent from another one (the machine lost power, or its home was made
 * anew) means unknown, and unknown is never run again.
 */
export function reconcile(
  open: readonly LiveRequest[],
  entries: readonly LedgerEntry[],
  ledgerId: string,
): ReconcilePlan {
  const byId = new Map(entries.map((entry) => [entry.requestId, entry]));
  const resume: { live: LiveRequest; entry: LedgerEntry }[] = [];
  const again: LiveRequest[] = [];
  const end: { live: LiveRequest; ending: OwnEnding }[] = [];
  for (const live of open) {
    const entry = byId.get(live.requestId);
    byId.delete(live.requestId);
    // Its end is being written right now: the node's copy goes with it.
    if (live.ending) continue;
    if (entry?.state === 'lost') end.push({ live, ending: NODE_RESTARTED });
    else if (entry !== undefined) resume.push({ live, entry });
    else if (live.ledgerId === null || live.ledgerId === ledgerId) again.push(live);
    else end.push({ live, ending: LEDGER_LOST });
  }
  return { resume, again, end, forget: [...byId.keys()] };
}
