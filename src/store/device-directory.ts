import { sql } from 'kysely';
import type { DeviceId } from '../kernel/ids.ts';
import type { DeviceRow, Trust } from './schema.ts';
import type { Executor, Tx } from './store.ts';

export interface DeviceQuery {
  readonly trust?: readonly Trust[];
  /** Part of the name or host name, any case. */
  readonly search?: string;
}

/** Devices by id after `after`, at most `limit`; removed ones only when asked for by trust. */
export async function listDevices(
  db: Executor,
  { trust, search }: DeviceQuery,
  after: DeviceId | null,
  limit: number,
): Promise<DeviceRow[]> {
  let rows = db.selectFrom('devices').selectAll();
  rows = trust === undefined ? rows.where('trust', '!=', 'removed') : rows.where('trust', 'in', trust);
  if (search !== undefined) {
    const pattern = `%${search.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`;
    rows = rows.where((eb) =>
      eb.or(
        // Without `escape` SQLite takes the backslash for a character of the text.
        (['name', 'hostname'] as const).map(
          (column) => sql<boolean>`lower(${eb.ref(column)}) like ${pattern} escape '\\'`,
        ),
      ),
    );
  }
  if (after !== null) rows = rows.where('device_id', '>', after);
  return rows.orderBy('device_id').limit(limit).execute();
}

/** Devices that bear exactly this name and were not removed; a few suffice to say that it is ambiguous. */
export async function devicesByName(db: Executor, name: string, limit: number): Promise<DeviceRow[]> {
  return db
    .selectFrom('devices')
    .selectAll()
    .where('name', '=', name)
    .where('trust', '!=', 'removed')
    .orderBy('device_id')
    .limit(limit)
    .execute();
}

/** Devices whose id starts with `prefix` (upper case). */
export async function devicesByIdPrefix(db: Executor, prefix: string, limit: number): Promise<DeviceRow[]> {
  // A range, not LIKE: it uses the key, and no character of the prefix means anything.
  return db
    .selectFrom('devices')
    .selectAll()
    .where('device_id', '>=', prefix as DeviceId)
    .where('device_id', '<', `${prefix}~` as DeviceId)
    .orderBy('device_id')
    .limit(limit)
    .execute();
}

export async function deviceById(db: Executor, deviceId: DeviceId): Promise<DeviceRow | undefined> {
  return db.selectFrom('devices').selectAll().where('device_id', '=', deviceId).executeTakeFirst();
}

/** What a node says of itself at each register. */
export type DeviceFacts = Pick<
  DeviceRow,
  | 'platform'
  | 'arch'
  | 'os_version'
  | 'palyra_version'
  | 'hostname'
  | 'offered_json'
  | 'last_seen_at_unix_ms'
  | 'seen_tokens_json'
>;

export async function noteDeviceFacts(tx: Tx, deviceId: DeviceId, facts: DeviceFacts): Promise<void> {
  await tx.updateTable('devices').set(facts).where('device_id', '=', deviceId).execute();
}

export async function noteOffers(tx: Tx, deviceId: DeviceId, offeredJson: string): Promise<void> {
  await tx.updateTable('devices').set({ offered_json: offeredJson }).where('device_id', '=', deviceId).execute();
}

export async function noteDisconnect(
  tx: Tx,
  deviceId: DeviceId,
  end: { readonly atUnixMs: number; readonly reason: string; readonly lastSeenAtUnixMs: number },
): Promise<void> {
  await tx
    .updateTable('devices')
    .set({
      last_seen_at_unix_ms: end.lastSeenAtUnixMs,
      last_disconnected_at_unix_ms: end.atUnixMs,
      last_disconnect_reason: end.reason,
    })
    .where('device_id', '=', deviceId)
    .execute();
}
