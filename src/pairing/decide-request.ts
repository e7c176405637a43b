import type { Actor } from '../dispatch/types.ts';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { decideApproval } from '../store/approvals.ts';
import { movePairingRequest, pairingRequestById } from '../store/pairing-requests.ts';
import type { PairingRequestRow, PairingState } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';
import { endCertificate, expireRequest } from './end-request.ts';
import { grantableOf, grantedOf } from './record.ts';
import { requestNotFound } from './request-directory.ts';
import type { Audit } from './types.ts';

/** What an approver wants of a request. */
export type Decision =
  | { readonly verb: 'approve'; readonly grant: readonly string[] }
  | { readonly verb: 'reject' }
  /** Takes an approval back before the machine used it. */
  | { readonly verb: 'withdraw' };

type Verb = Decision['verb'];

// The states and what may move them (security.md 2.3); `expired` and `completed` come by time and by the machine.
const MOVES: Readonly<Record<Verb, { readonly from: PairingState; readonly to: PairingState; readonly done: string }>> =
  {
    approve: { from: 'pending_approval', to: 'approved', done: 'pairing.approved' },
    reject: { from: 'pending_approval', to: 'rejected', done: 'pairing.rejected' },
    withdraw: { from: 'approved', to: 'rejected', done: 'pairing.withdrawn' },
  };

export interface Decided {
  /** Absent: there is no such request. */
  readonly row: PairingRequestRow | undefined;
  /** The request is in another state than it was before. */
  readonly changed: boolean;
  /** Why it was not decided like this. */
  readonly refusal: PalyraError | undefined;
}

export interface DecisionOrder {
  readonly requestId: string;
  readonly decision: Decision;
  readonly actor: Actor;
  readonly reason: string | null;
  readonly now: number;
}

/**
 * Decides in one transaction, by one conditional update; the time of a request is looked at here and not left to a
 * timer. The same decision again changes nothing. A refusal is a value: `changed` may be true beside it, when the
 * request had to expire first.
 */
export async function decideRequest(tx: Tx, audit: Audit, order: DecisionOrder): Promise<Decided> {
  const { requestId, decision, actor, reason, now } = order;
  const row = await pairingRequestById(tx, requestId);
  if (row === undefined) return { row, changed: false, refusal: requestNotFound(requestId) };
  if (isOver(row, now)) {
    const changed = await expireRequest(tx, audit, row, 'nobody decided in time', now);
    return { row, changed, refusal: closed({ ...row, state: 'expired' }) };
  }
  const { from, to, done } = MOVES[decision.verb];
  if (row.state !== from) return { row, changed: false, refusal: refusalOf(row, decision) };
  if (decision.verb === 'approve') {
    const tooMuch = decision.grant.filter((name) => !grantableOf(row).includes(name));
    if (tooMuch.length > 0) return { row, changed: false, refusal: notGrantable(row, tooMuch) };
  }
  const granted = decision.verb === 'approve' ? [...new Set(decision.grant)].sort() : undefined;
  const moved = await movePairingRequest(tx, requestId, from, to, {
    decided_at_unix_ms: now,
    decided_by: actor.id,
    reason,
    ...(granted !== undefined && {
      granted_json: JSON.stringify(granted),
      expires_at_unix_ms: now + LIMITS.pairingApprovedMs,
    }),
  });
  // Nobody comes between a read and an update of one transaction here; on PostgreSQL somebody may, and decides again.
  if (!moved) return decideRequest(tx, audit, order);
  if (decision.verb === 'withdraw') await endCertificate(tx, row, reason ?? 'withdrawn', now);
  else {
    const state = decision.verb === 'approve' ? 'approved' : 'rejected';
    await decideApproval(tx, row.approval_id, { state, decidedAtUnixMs: now, decidedBy: actor.id, reason });
  }
  await audit(tx, {
    actor: actor.id,
    source: actor.source,
    action: done,
    subject: requestId,
    deviceId: row.device_id,
    outcome: to,
    details: { reason, spki_sha256: row.spki_sha256, ...(granted !== undefined && { granted }) },
  });
  return { row: await pairingRequestById(tx, requestId), changed: true, refusal: undefined };
}

const isOver = ({ state, expires_at_unix_ms: end }: PairingRequestRow, now: number): boolean =>
  (state === 'pending_approval' || state === 'approved') && end <= now;

/** Why a request that has left its state cannot be decided like this; undefined where it was just so before. */
function refusalOf(row: PairingRequestRow, decision: Decision): PalyraError | undefined {
  const { verb } = decision;
  if (row.state === 'pending_approval') {
    return new PalyraError('conflict', `pairing request ${row.request_id} is not approved`, {
      hint: `palyra pairing reject ${row.request_id}`,
    });
  }
  if (row.state === 'expired' || verb === 'withdraw') {
    return verb === 'withdraw' && row.state === 'rejected' ? undefined : closed(row);
  }
  if (row.state === 'rejected') return verb === 'reject' ? undefined : otherwise(row);
  if (verb === 'reject') return otherwise(row);
  const before = grantedOf(row) ?? [];
  const same = before.length === new Set(decision.grant).size && decision.grant.every((name) => before.includes(name));
  return same ? undefined : otherwise(row);
}

const closed = ({ request_id: id, state }: PairingRequestRow): PalyraError =>
  new PalyraError('pairing_request_closed', `pairing request ${id} is over: ${state}`, {
    hint: state === 'expired' ? 'pair again with a new code: `palyra pairing code`' : `palyra pairing show ${id}`,
    details: { state },
  });

const otherwise = ({ request_id: id, state, decided_by: by }: PairingRequestRow): PalyraError =>
  new PalyraError('approval_already_decided', `pairing request ${id} was decided before: ${state} by ${by}`, {
    hint: `palyra pairing show ${id}`,
    details: { state },
  });

const notGrantable = (row: PairingRequestRow, names: readonly string[]): PalyraError =>
  new PalyraError('invalid_argument', `${row.name} cannot be granted ${names.join(', ')}`, {
    hint: `it may be granted ${grantableOf(row).join(', ') || 'nothing'}`,
  });
