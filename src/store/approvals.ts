import type { ApprovalRow, ApprovalState } from './schema.ts';
import type { Tx } from './store.ts';

export async function insertApproval(tx: Tx, row: ApprovalRow): Promise<void> {
  await tx.insertInto('approvals').values(row).execute();
}

interface ApprovalDecision {
  readonly state: Exclude<ApprovalState, 'pending' | 'consumed'>;
  readonly decidedAtUnixMs: number;
  readonly decidedBy: string;
  readonly reason: string | null;
}

/** Decides an approval that is pending; false: it is decided. */
export async function decideApproval(tx: Tx, approvalId: string, decision: ApprovalDecision): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('approvals')
    .set({
      state: decision.state,
      decided_at_unix_ms: decision.decidedAtUnixMs,
      decided_by: decision.decidedBy,
      reason: decision.reason,
    })
    .where('approval_id', '=', approvalId)
    .where('state', '=', 'pending')
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}
