import { sql } from 'kysely';
import type { PersistedNodeRuntimeState } from './runtime-state.ts';
import type { Schema } from './schema.ts';
import type { Executor, Store, Tx } from './store.ts';

/** A statement carries at most 32,766 values on SQLite; the widest table has 40 columns. */
const ROWS_AT_ONCE = 200;
const FLEET = ['devices', 'pairing_codes', 'pairing_requests', 'capability_requests'] as const;
/** Makes daemons of a fleet that start at once on an empty database restore one after the other. */
const LOCK = 0x70616c797262;

export interface RestoredCounts {
  readonly nodes: number;
  readonly pairing_requests: number;
  readonly active_pairing_codes: number;
  readonly capability_requests: number;
}

/** Whether a database knows of no fleet; operators and the audit do not count. */
async function isFleetEmpty(db: Executor): Promise<boolean> {
  for (const table of FLEET) {
    if ((await db.selectFrom(table).select(sql.lit(1).as('one')).limit(1).execute()).length > 0) return false;
  }
  return true;
}

/**
 * Puts a persisted fleet into an empty database, all of it or nothing: devices with their certificates and the epochs
 * of their sessions, so that nobody pairs again. Undefined: the database has a fleet of its own and was not touched.
 * Codes and requests whose time is over are let go by whoever looks at them next, as ever.
 */
export function restoreNodeRuntimeState(
  store: Store,
  state: PersistedNodeRuntimeState,
): Promise<RestoredCounts | undefined> {
  const nodes = Object.values(state.nodes);
  const pairings = Object.values(state.pairing_requests);
  const codes = Object.values(state.active_pairing_codes);
  const requests = Object.values(state.capability_requests);
  return store.write(async (tx) => {
    if (store.dialect === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(LOCK)})`.execute(tx);
    if (!(await isFleetEmpty(tx))) return undefined;
    const devices = nodes.map((node) => without(node, ['certificates', 'session']));
    const sessions = nodes.flatMap(({ session }) =>
      session === null ? [] : [{ ...session, closed_at_unix_ms: session.closed_at_unix_ms ?? state.saved_at_unix_ms }],
    );
    await insertAll(tx, 'devices', devices);
    await insertAll(
      tx,
      'certificates',
      nodes.flatMap(({ certificates }) => certificates),
    );
    await insertAll(tx, 'node_sessions', sessions);
    await insertAll(tx, 'pairing_codes', codes);
    await insertAll(
      tx,
      'pairing_requests',
      pairings.map((request) => without(request, ['approval'])),
    );
    await insertAll(
      tx,
      'approvals',
      pairings.flatMap(({ approval }) => approval ?? []),
    );
    await insertAll(tx, 'capability_requests', requests);
    return {
      nodes: nodes.length,
      pairing_requests: pairings.length,
      active_pairing_codes: codes.length,
      capability_requests: requests.length,
    };
  });
}

const without = <Row extends object, Key extends keyof Row & string>(row: Row, keys: readonly Key[]): Omit<Row, Key> =>
  Object.fromEntries(Object.entries(row).filter(([key]) => !keys.includes(key as Key))) as Omit<Row, Key>;

async function insertAll<Table extends keyof Schema>(
  tx: Tx,
  table: Table,
  rows: readonly Schema[Table][],
): Promise<void> {
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    await tx
      .insertInto(table)
      .values(rows.slice(at, at + ROWS_AT_ONCE) as never)
      .execute();
  }
}
