import { createHash } from 'node:crypto';
import { PalyraError } from '../kernel/errors.ts';
import type { RequestId } from '../kernel/ids.ts';
import { findRequest, insertRequest } from '../store/capability-requests.ts';
import { findIdempotencyKey, insertIdempotencyKey } from '../store/idempotency-keys.ts';
import type { CapabilityRequestRow } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';
import type { NodeLink } from './node-link.ts';
import type { DispatcherPorts } from './ports.ts';
import type { DispatchOrder } from './types.ts';

/** The row of an order at its acceptance: with a link it is dispatched at once, else it waits. */
export function acceptedRow(
  order: DispatchOrder,
  link: NodeLink | undefined,
  requestId: RequestId,
  now: number,
): CapabilityRequestRow {
  return {
    request_id: requestId,
    device_id: order.deviceId,
    capability: order.capability,
    state: link === undefined ? 'queued' : 'dispatched',
    session_epoch: link?.epoch ?? null,
    ledger_id: link?.ledgerId ?? null,
    input_json: order.inputJson,
    input_sha256: createHash('sha256').update(order.inputJson).digest('hex'),
    stdin_mode: order.stdinMode,
    stdin: order.stdin ?? null,
    attached: order.attached ? 1 : 0,
    created_by: order.actor.id,
    created_at_unix_ms: now,
    queue_expires_at_unix_ms: order.queueTtlMs === undefined ? null : now + order.queueTtlMs,
    run_timeout_ms: order.runTimeoutMs,
    cancel_requested_at_unix_ms: null,
    cancel_requested_by: null,
    dispatched_at_unix_ms: link === undefined ? null : now,
    started_at_unix_ms: null,
    completed_at_unix_ms: null,
    duration_ms: null,
    exit_code: null,
    signal: null,
    error_code: null,
    error_message: null,
    error_hint: null,
    output_json: null,
    stdout_bytes: 0,
    stderr_bytes: 0,
    stdout_sha256: null,
    stderr_sha256: null,
    truncated: 0,
    tree_kill: null,
    receipt_signature: null,
    parent_id: null,
  };
}

/** What became of an order in its transaction. Refusals are values: a thrown one would make its neighbours run twice. */
export type Acceptance =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'reused'; readonly row: CapabilityRequestRow }
  | { readonly kind: 'refused'; readonly cause: PalyraError };

const MISMATCH = new PalyraError('idempotency_mismatch', 'this idempotency key belongs to another request', {
  hint: 'use a fresh key for each request',
});

/**
 * Writes an order, its idempotency key and its audit row together. A key used before gives the request of then, also
 * when the order would be refused by now.
 */
export async function writeAcceptance(
  tx: Tx,
  audit: DispatcherPorts['audit'],
  order: DispatchOrder,
  row: CapabilityRequestRow,
  refusal: PalyraError | undefined,
): Promise<Acceptance> {
  const { idempotency, actor } = order;
  if (idempotency !== undefined) {
    const known = await findIdempotencyKey(tx, idempotency.operatorId, idempotency.key);
    if (known !== undefined) {
      if (known.request_sha256 !== idempotency.requestSha256) return { kind: 'refused', cause: MISMATCH };
      const earlier = await findRequest(tx, known.resource_id as RequestId);
      if (earlier !== undefined) return { kind: 'reused', row: earlier };
    }
  }
  const entry = {
    actor: actor.id,
    source: actor.source,
    subject: row.request_id,
    deviceId: row.device_id,
    details: { capability: row.capability, input_sha256: row.input_sha256 },
  };
  if (refusal !== undefined) {
    await audit(tx, { ...entry, action: 'request.refused', outcome: refusal.code });
    return { kind: 'refused', cause: refusal };
  }
  if (idempotency !== undefined) {
    await insertIdempotencyKey(tx, {
      operator_id: idempotency.operatorId,
      key: idempotency.key,
      request_sha256: idempotency.requestSha256,
      resource_id: row.request_id,
      created_at_unix_ms: row.created_at_unix_ms,
    });
  }
  await insertRequest(tx, row);
  await audit(tx, { ...entry, action: 'request.accepted', outcome: row.state });
  return { kind: 'accepted' };
}
