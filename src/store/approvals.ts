import type { ApprovalRow, ApprovalState, ApprovalSubjectType } from './schema.ts';
import type { Tx } from './store.ts';

/** What asks for the decision of a human. */
export interface ApprovalCreateRequest {
  readonly approvalId: string;
  readonly subjectType: ApprovalSubjectType;
  /** Id of the row that waits. */
  readonly subjectId: string;
  readonly requestedBy: string;
  /** What the approver is shown, as JSON. */
  readonly promptJson: string;
  readonly createdAtUnixMs: number;
  readonly expiresAtUnixMs: number;
  /** Where it was approved beforehand, by whoever made a join token. */
  readonly approved?: Pick<ApprovalRow, 'decided_at_unix_ms' | 'decided_by' | 'reason'> | undefined;
}

export async function createApproval(tx: Tx, request: ApprovalCreateRequest): Promise<void> {
  const { approved } = request;
  const row: ApprovalRow = {
    approval_id: request.approvalId,
    subject_type: request.subjectType,
    subject_id: request.subjectId,
    state: approved === undefined ? 'pending' : 'approved',
    requested_by: request.requestedBy,
    prompt_json: request.promptJson,
    binding_sha256: null,
    created_at_unix_ms: request.createdAtUnixMs,
    expires_at_unix_ms: request.expiresAtUnixMs,
    decided_at_unix_ms: approved?.decided_at_unix_ms ?? null,
    decided_by: approved?.decided_by ?? null,
    reason: approved?.reason ?? null,
  };
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
