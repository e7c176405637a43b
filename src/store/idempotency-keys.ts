import { prepared } from './prepared.ts';
import type { IdempotencyKeyRow } from './schema.ts';
import type { Tx } from './store.ts';

const find = prepared<IdempotencyKeyRow>((db, p) =>
  db.selectFrom('idempotency_keys').selectAll().where('operator_id', '=', p<string>(0)).where('key', '=', p<string>(1)),
);

/** The row of a key an operator used before; undefined when it is free. */
export async function findIdempotencyKey(
  tx: Tx,
  operatorId: string,
  key: string,
): Promise<IdempotencyKeyRow | undefined> {
  return (await find(tx, [operatorId, key])).rows[0];
}

export async function insertIdempotencyKey(tx: Tx, row: IdempotencyKeyRow): Promise<void> {
  await tx.insertInto('idempotency_keys').values(row).execute();
}

/** Forgets keys made before `beforeUnixMs`, at most `limit` of them; returns how many went. */
export async function pruneIdempotencyKeys(tx: Tx, beforeUnixMs: number, limit: number): Promise<number> {
  const old = await tx
    .selectFrom('idempotency_keys')
    .select(['operator_id', 'key'])
    .where('created_at_unix_ms', '<', beforeUnixMs)
    .limit(limit)
    .execute();
  for (const { operator_id, key } of old) {
    await tx.deleteFrom('idempotency_keys').where('operator_id', '=', operator_id).where('key', '=', key).execute();
  }
  return old.length;
}
