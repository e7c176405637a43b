import type { RequestId } from '../kernel/ids.ts';
import { prepared } from './prepared.ts';
import type { RequestOutputRow } from './schema.ts';
import type { Executor, Tx } from './store.ts';

const insert = prepared((db, p) =>
  db
    .insertInto('request_output')
    .values({ request_id: p(0), channel: p(1), head: p(2), tail: p(3), tail_offset_bytes: p(4) }),
);

/** Keeps what is left of one stream of a request that ends in the same transaction. */
export async function insertOutput(tx: Tx, row: RequestOutputRow): Promise<void> {
  await insert(tx, [row.request_id, row.channel, row.head, row.tail, row.tail_offset_bytes]);
}

export async function outputOf(db: Executor, requestId: RequestId): Promise<RequestOutputRow[]> {
  return db.selectFrom('request_output').selectAll().where('request_id', '=', requestId).execute();
}
