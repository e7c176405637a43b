import type { DeviceId, SessionId } from '../kernel/ids.ts';
import type { NodeSessionRow } from './schema.ts';
import type { Executor, Tx } from './store.ts';

/**
 * Opens a session of a device and returns its epoch: one above the last, in the same statement, so that of two
 * sessions opened at once only the later one can write from then on.
 */
export async function openSession(tx: Tx, row: Omit<NodeSessionRow, 'epoch' | 'closed_at_unix_ms'>): Promise<number> {
  const { epoch } = await tx
    .insertInto('node_sessions')
    .values({ ...row, epoch: 1, closed_at_unix_ms: null })
    .onConflict((conflict) =>
      conflict.column('device_id').doUpdateSet((eb) => ({
        session_id: row.session_id,
        daemon_id: row.daemon_id,
        epoch: eb('node_sessions.epoch', '+', 1),
        boot_id: row.boot_id,
        ledger_id: row.ledger_id,
        instance_json: row.instance_json,
        remote_address: row.remote_address,
        connected_at_unix_ms: row.connected_at_unix_ms,
        closed_at_unix_ms: null,
      })),
    )
    .returning('epoch')
    .executeTakeFirstOrThrow();
  return epoch;
}

/** Notes the end of a session, unless a newer one has replaced it. */
export async function closeSession(
  tx: Tx,
  deviceId: DeviceId,
  sessionId: SessionId,
  closedAtUnixMs: number,
): Promise<void> {
  await tx
    .updateTable('node_sessions')
    .set({ closed_at_unix_ms: closedAtUnixMs })
    .where('device_id', '=', deviceId)
    .where('session_id', '=', sessionId)
    .execute();
}

export async function findSession(db: Executor, deviceId: DeviceId): Promise<NodeSessionRow | undefined> {
  return db.selectFrom('node_sessions').selectAll().where('device_id', '=', deviceId).executeTakeFirst();
}

export async function allSessions(db: Executor): Promise<NodeSessionRow[]> {
  return db.selectFrom('node_sessions').selectAll().execute();
}

/** Closes what a daemon left open when it was killed: its streams ended with it. */
export async function closeSessionsOf(tx: Tx, daemonId: string, closedAtUnixMs: number): Promise<void> {
  await tx
    .updateTable('node_sessions')
    .set({ closed_at_unix_ms: closedAtUnixMs })
    .where('daemon_id', '=', daemonId)
    .where('closed_at_unix_ms', 'is', null)
    .execute();
}
