import { prepared } from './prepared.ts';
import type { AuditRow } from './schema.ts';
import type { Executor, Tx } from './store.ts';

const insert = prepared((db, p) =>
  db.insertInto('audit_rows').values({
    daemon_id: p(0),
    seq: p(1),
    at_unix_ms: p(2),
    actor: p(3),
    source: p(4),
    action: p(5),
    subject: p(6),
    device_id: p(7),
    outcome: p(8),
    details_json: p(9),
    prev_sha256: p(10),
    sha256: p(11),
  }),
);

export async function insertAuditRow(tx: Tx, row: AuditRow): Promise<void> {
  await insert(tx, [
    row.daemon_id,
    row.seq,
    row.at_unix_ms,
    row.actor,
    row.source,
    row.action,
    row.subject,
    row.device_id,
    row.outcome,
    row.details_json,
    row.prev_sha256,
    row.sha256,
  ]);
}

const last = prepared((db, p) =>
  db
    .selectFrom('audit_rows')
    .select(['seq', 'sha256'])
    .where('daemon_id', '=', p<string>(0))
    .orderBy('seq', 'desc')
    .limit(1),
);

/** The newest row of a daemon's chain, or undefined when it has none. */
export async function lastAuditRow(
  db: Executor,
  daemonId: string,
): Promise<Pick<AuditRow, 'seq' | 'sha256'> | undefined> {
  return (await last(db, [daemonId])).rows[0];
}

/** Rows of a chain from `afterSeq` on, oldest first, at most `limit`. */
export async function auditRowsAfter(
  db: Executor,
  daemonId: string,
  afterSeq: number,
  limit: number,
): Promise<AuditRow[]> {
  return db
    .selectFrom('audit_rows')
    .selectAll()
    .where('daemon_id', '=', daemonId)
    .where('seq', '>', afterSeq)
    .orderBy('seq')
    .limit(limit)
    .execute();
}
