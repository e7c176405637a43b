import type { DeviceId, RequestId } from '../kernel/ids.ts';
import { prepared } from './prepared.ts';
import type { CapabilityRequestRow, RequestState } from './schema.ts';
import type { Executor, Tx } from './store.ts';

/** What a request is when it is accepted; the rest of its row is filled as it lives. */
export type AcceptedRequest = Pick<
  CapabilityRequestRow,
  | 'request_id'
  | 'device_id'
  | 'capability'
  | 'state'
  | 'session_epoch'
  | 'ledger_id'
  | 'input_json'
  | 'input_sha256'
  | 'stdin_mode'
  | 'stdin'
  | 'attached'
  | 'created_by'
  | 'created_at_unix_ms'
  | 'queue_expires_at_unix_ms'
  | 'run_timeout_ms'
  | 'dispatched_at_unix_ms'
>;

const insert = prepared((db, p) =>
  db.insertInto('capability_requests').values({
    request_id: p(0),
    device_id: p(1),
    capability: p(2),
    state: p(3),
    session_epoch: p(4),
    ledger_id: p(5),
    input_json: p(6),
    input_sha256: p(7),
    stdin_mode: p(8),
    stdin: p(9),
    attached: p(10),
    created_by: p(11),
    created_at_unix_ms: p(12),
    queue_expires_at_unix_ms: p(13),
    run_timeout_ms: p(14),
    dispatched_at_unix_ms: p(15),
    stdout_bytes: 0,
    stderr_bytes: 0,
    truncated: 0,
  }),
);

export async function insertRequest(tx: Tx, row: AcceptedRequest): Promise<void> {
  await insert(tx, [
    row.request_id,
    row.device_id,
    row.capability,
    row.state,
    row.session_epoch,
    row.ledger_id,
    row.input_json,
    row.input_sha256,
    row.stdin_mode,
    row.stdin,
    row.attached,
    row.created_by,
    row.created_at_unix_ms,
    row.queue_expires_at_unix_ms,
    row.run_timeout_ms,
    row.dispatched_at_unix_ms,
  ]);
}

/** How a request ended. */
export type RequestEnding = Pick<
  CapabilityRequestRow,
  | 'started_at_unix_ms'
  | 'duration_ms'
  | 'exit_code'
  | 'signal'
  | 'error_code'
  | 'error_message'
  | 'error_hint'
  | 'output_json'
  | 'stdout_bytes'
  | 'stderr_bytes'
  | 'stdout_sha256'
  | 'stderr_sha256'
  | 'truncated'
  | 'tree_kill'
  | 'receipt_signature'
> & { readonly state: RequestState; readonly completed_at_unix_ms: number };

const finish = prepared((db, p) =>
  db
    .updateTable('capability_requests')
    .set({
      state: p(2),
      completed_at_unix_ms: p(3),
      started_at_unix_ms: p(4),
      duration_ms: p(5),
      exit_code: p(6),
      signal: p(7),
      error_code: p(8),
      error_message: p(9),
      error_hint: p(10),
      output_json: p(11),
      stdout_bytes: p(12),
      stderr_bytes: p(13),
      stdout_sha256: p(14),
      stderr_sha256: p(15),
      truncated: p(16),
      tree_kill: p(17),
      receipt_signature: p(18),
      stdin: null,
    })
    .where('request_id', '=', p<RequestId>(0))
    .where('device_id', '=', p<DeviceId>(1))
    .where('completed_at_unix_ms', 'is', null),
);

/** Ends a request once: false when it had ended before. Only an open request of this very device is touched. */
export async function finishRequest(
  tx: Tx,
  requestId: RequestId,
  deviceId: DeviceId,
  ending: RequestEnding,
): Promise<boolean> {
  const { numAffectedRows } = await finish(tx, [
    requestId,
    deviceId,
    ending.state,
    ending.completed_at_unix_ms,
    ending.started_at_unix_ms,
    ending.duration_ms,
    ending.exit_code,
    ending.signal,
    ending.error_code,
    ending.error_message,
    ending.error_hint,
    ending.output_json,
    ending.stdout_bytes,
    ending.stderr_bytes,
    ending.stdout_sha256,
    ending.stderr_sha256,
    ending.truncated,
    ending.tree_kill,
    ending.receipt_signature,
  ]);
  return numAffectedRows === 1n;
}

/** Hands an open request to a session; false when it has ended meanwhile. */
export async function assignRequest(
  tx: Tx,
  requestId: RequestId,
  session: { readonly epoch: number; readonly ledgerId: string },
  dispatchedAtUnixMs: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('capability_requests')
    .set((eb) => ({
      state: 'dispatched',
      session_epoch: session.epoch,
      ledger_id: session.ledgerId,
      dispatched_at_unix_ms: eb.fn.coalesce('dispatched_at_unix_ms', eb.val(dispatchedAtUnixMs)),
    }))
    .where('request_id', '=', requestId)
    .where('completed_at_unix_ms', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Notes a state on the way, such as `running`; never leaves a terminal one. */
export async function noteRequestState(
  tx: Tx,
  requestId: RequestId,
  state: RequestState,
  startedAtUnixMs: number | null,
): Promise<void> {
  await tx
    .updateTable('capability_requests')
    .set({ state, ...(startedAtUnixMs !== null && { started_at_unix_ms: startedAtUnixMs }) })
    .where('request_id', '=', requestId)
    .where('completed_at_unix_ms', 'is', null)
    .execute();
}

/** Notes the wish to end; false when the request has ended. */
export async function noteCancelWish(tx: Tx, requestId: RequestId, by: string, atUnixMs: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('capability_requests')
    .set({ cancel_requested_by: by, cancel_requested_at_unix_ms: atUnixMs })
    .where('request_id', '=', requestId)
    .where('completed_at_unix_ms', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

const byId = prepared<CapabilityRequestRow>((db, p) =>
  db.selectFrom('capability_requests').selectAll().where('request_id', '=', p<RequestId>(0)),
);

export async function findRequest(db: Executor, requestId: RequestId): Promise<CapabilityRequestRow | undefined> {
  return (await byId(db, [requestId])).rows[0];
}

/** Open requests, oldest first, after a given id; at most `limit`. */
export async function openRequests(
  db: Executor,
  after: RequestId | null,
  limit: number,
): Promise<CapabilityRequestRow[]> {
  return db
    .selectFrom('capability_requests')
    .selectAll()
    .where('completed_at_unix_ms', 'is', null)
    .$if(after !== null, (query) => query.where('request_id', '>', after as RequestId))
    .orderBy('request_id')
    .limit(limit)
    .execute();
}

export interface RequestQuery {
  readonly deviceId?: DeviceId;
  readonly states?: readonly RequestState[];
  readonly capability?: string;
  readonly createdBy?: string;
}

/** Newest first, before a given id; at most `limit`. Paged by key, so the millionth page costs what the first does. */
export async function listRequests(
  db: Executor,
  query: RequestQuery,
  before: RequestId | null,
  limit: number,
): Promise<CapabilityRequestRow[]> {
  let rows = db.selectFrom('capability_requests').selectAll();
  if (query.deviceId !== undefined) rows = rows.where('device_id', '=', query.deviceId);
  if (query.states !== undefined) rows = rows.where('state', 'in', query.states);
  if (query.capability !== undefined) rows = rows.where('capability', '=', query.capability);
  if (query.createdBy !== undefined) rows = rows.where('created_by', '=', query.createdBy);
  if (before !== null) rows = rows.where('request_id', '<', before);
  return rows.orderBy('request_id', 'desc').limit(limit).execute();
}
