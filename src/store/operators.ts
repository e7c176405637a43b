import { prepared } from './prepared.ts';
import type { OperatorRow } from './schema.ts';
import type { Executor, Tx } from './store.ts';

const byId = prepared<OperatorRow>((db, p) =>
  db.selectFrom('operators').selectAll().where('operator_id', '=', p<string>(0)),
);

export async function findOperator(db: Executor, operatorId: string): Promise<OperatorRow | undefined> {
  return (await byId(db, [operatorId])).rows[0];
}

export async function insertOperator(tx: Tx, row: OperatorRow): Promise<void> {
  await tx.insertInto('operators').values(row).execute();
}

/** Whether some admin could still log in. */
export async function hasActiveAdmin(db: Executor, now: number): Promise<boolean> {
  const row = await db
    .selectFrom('operators')
    .select('operator_id')
    .where('role', '=', 'admin')
    .where('revoked_at_unix_ms', 'is', null)
    .where((eb) => eb.or([eb('expires_at_unix_ms', 'is', null), eb('expires_at_unix_ms', '>', now)]))
    .executeTakeFirst();
  return row !== undefined;
}

/** Notes that a token was used. Only ever moves forward. */
export async function noteOperatorUse(tx: Tx, operatorId: string, atUnixMs: number): Promise<void> {
  await tx
    .updateTable('operators')
    .set({ last_used_at_unix_ms: atUnixMs })
    .where('operator_id', '=', operatorId)
    .where((eb) => eb.or([eb('last_used_at_unix_ms', 'is', null), eb('last_used_at_unix_ms', '<', atUnixMs)]))
    .execute();
}
