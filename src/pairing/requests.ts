import type { Actor, Page } from '../dispatch/types.ts';
import { duePairingRequests, nextPairingExpiry, pairingRequestById } from '../store/pairing-requests.ts';
import type { PairingRequestRow, PairingState } from '../store/schema.ts';
import { type Decision, decideRequest } from './decide-request.ts';
import { expireRequest } from './end-request.ts';
import { pairingRecord } from './record.ts';
import { pageOfRequests, requestNotFound, resolveRequest } from './request-directory.ts';
import type { PairingPorts, PairingRecord } from './types.ts';

/** A timer is set at most this far ahead: the wall clock may be set while it runs. */
const LONGEST_WAIT_MS = 3_600_000;
const SHORTEST_WAIT_MS = 100;
/** After the store failed. */
const RETRY_MS = 5_000;
const BATCH = 100;

interface RequestParts extends PairingPorts {
  /** Requests that are in another state now, after that is on disk. */
  readonly changed: (requestIds: readonly string[]) => void;
}

/** Pairing requests: who asks to join, what was decided about it, and when that is over. */
export class Requests {
  readonly #parts: RequestParts;
  #stopTimer: (() => void) | undefined;
  #arming: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  /** Resolves when nothing of this room uses the store any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopTimer?.();
    await this.#arming;
  }

  async list(
    filter: { readonly state?: PairingState },
    cursor: string | null,
    limit: number,
  ): Promise<Page<PairingRecord>> {
    await this.expireDue();
    const { rows, nextCursor } = await pageOfRequests(this.#parts.store.reader, filter, cursor, limit);
    return { rows: rows.map(pairingRecord), nextCursor };
  }

  /** Errors: pairing_request_not_found, ambiguous_name. */
  async show(reference: string): Promise<PairingRecord> {
    await this.expireDue();
    return pairingRecord(await resolveRequest(this.#parts.store.reader, reference));
  }

  /** A request as it is now; undefined: there is none. */
  async current(requestId: string): Promise<PairingRequestRow | undefined> {
    const { store, clock } = this.#parts;
    const row = await pairingRequestById(store.reader, requestId);
    const open = row?.state === 'pending_approval' || row?.state === 'approved';
    if (row === undefined || !open || row.expires_at_unix_ms > clock.now()) return row;
    await this.expireDue();
    return pairingRequestById(store.reader, requestId);
  }

  /** Errors: see `decideRequest`. */
  async decide(requestId: string, decision: Decision, actor: Actor, reason: string | null): Promise<PairingRecord> {
    const { store, clock, audit, identity, changed } = this.#parts;
    const order = { requestId, decision, actor, reason, now: clock.now() };
    const decided = await store.write((tx) => decideRequest(tx, audit, order));
    const { row } = decided;
    if (decided.changed && row !== undefined) {
      const over = decision.verb === 'withdraw' || decided.refusal !== undefined;
      if (over && row.certificate_fingerprint !== null) identity.forget([row.certificate_fingerprint]);
      changed([requestId]);
    }
    if (decided.refusal !== undefined) throw decided.refusal;
    if (row === undefined) throw requestNotFound(requestId);
    return pairingRecord(row);
  }

  /** Ends what is over by now. */
  async expireDue(): Promise<void> {
    const { store, clock, audit, identity, changed } = this.#parts;
    for (;;) {
      const now = clock.now();
      const due = await duePairingRequests(store.reader, now, BATCH);
      if (due.length === 0) return;
      const ended = await store.write(async (tx) => {
        const gone: PairingRequestRow[] = [];
        for (const row of due) {
          const reason = row.state === 'approved' ? 'the machine did not come back' : 'nobody decided in time';
          if (await expireRequest(tx, audit, row, reason, now)) gone.push(row);
        }
        return gone;
      });
      identity.forget(ended.flatMap(({ certificate_fingerprint: fingerprint }) => fingerprint ?? []));
      changed(ended.map(({ request_id }) => request_id));
      // What others moved in between is no longer due.
      if (ended.length === 0) return;
    }
  }

  /** Waits for the next request to run out; to be called when one may be earlier than all others. Never rejects. */
  arm(): Promise<void> {
    this.#again = true;
    this.#arming ??= this.#armUntilQuiet().finally(() => {
      this.#arming = undefined;
    });
    return this.#arming;
  }

  async #armUntilQuiet(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      const waitMs = await this.#nextWaitMs();
      this.#stopTimer?.();
      if (this.#closed) return;
      this.#stopTimer = waitMs === undefined ? undefined : this.#parts.clock.after(waitMs, () => void this.arm());
    }
  }

  async #nextWaitMs(): Promise<number | undefined> {
    const { store, clock, log } = this.#parts;
    try {
      await this.expireDue();
      const next = await nextPairingExpiry(store.reader);
      return next === undefined ? undefined : Math.min(Math.max(next - clock.now(), SHORTEST_WAIT_MS), LONGEST_WAIT_MS);
    } catch (cause) {
      log.error({ err: cause }, 'pairing requests could not be looked at');
      return RETRY_MS;
    }
  }
}
