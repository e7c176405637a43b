import type { DeviceId } from '../kernel/ids.ts';
import type { PairingRequestRow, PairingState } from './schema.ts';
import type { Executor, Tx } from './store.ts';

/** States in which a request can still become something else. */
const OPEN_PAIRING_STATES: readonly PairingState[] = ['pending_approval', 'approved'];

/** Fails as `isDuplicateKey` when the session has made a request before. */
export async function insertPairingRequest(tx: Tx, row: PairingRequestRow): Promise<void> {
  await tx.insertInto('pairing_requests').values(row).execute();
}

export async function pairingRequestById(db: Executor, requestId: string): Promise<PairingRequestRow | undefined> {
  return db.selectFrom('pairing_requests').selectAll().where('request_id', '=', requestId).executeTakeFirst();
}

export async function pairingRequestBySession(db: Executor, sessionId: string): Promise<PairingRequestRow | undefined> {
  return db.selectFrom('pairing_requests').selectAll().where('session_id', '=', sessionId).executeTakeFirst();
}

/** Requests whose id starts with `prefix` (upper case). */
export async function pairingRequestsByPrefix(
  db: Executor,
  prefix: string,
  limit: number,
): Promise<PairingRequestRow[]> {
  return db
    .selectFrom('pairing_requests')
    .selectAll()
    .where('request_id', '>=', prefix)
    .where('request_id', '<', `${prefix}~`)
    .orderBy('request_id')
    .limit(limit)
    .execute();
}

/** Open requests of machines that call themselves exactly so. */
export async function openPairingRequestsByName(
  db: Executor,
  name: string,
  limit: number,
): Promise<PairingRequestRow[]> {
  return db
    .selectFrom('pairing_requests')
    .selectAll()
    .where('name', '=', name)
    .where('state', 'in', OPEN_PAIRING_STATES)
    .orderBy('request_id')
    .limit(limit)
    .execute();
}

/** Open requests of one device key (SHA-256 of its SPKI, lower-case hex). */
export async function openPairingRequestsByKey(db: Executor, spkiSha256: string): Promise<PairingRequestRow[]> {
  return db
    .selectFrom('pairing_requests')
    .selectAll()
    .where('spki_sha256', '=', spkiSha256)
    .where('state', 'in', OPEN_PAIRING_STATES)
    .execute();
}

/** The newest first, older than `before`. */
export async function listPairingRequests(
  db: Executor,
  { state }: { readonly state?: PairingState },
  before: string | null,
  limit: number,
): Promise<PairingRequestRow[]> {
  let rows = db.selectFrom('pairing_requests').selectAll();
  if (state !== undefined) rows = rows.where('state', '=', state);
  if (before !== null) rows = rows.where('request_id', '<', before);
  return rows.orderBy('request_id', 'desc').limit(limit).execute();
}

/** Open requests whose time is over. */
export async function duePairingRequests(db: Executor, nowUnixMs: number, limit: number): Promise<PairingRequestRow[]> {
  return db
    .selectFrom('pairing_requests')
    .selectAll()
    .where('state', 'in', OPEN_PAIRING_STATES)
    .where('expires_at_unix_ms', '<=', nowUnixMs)
    .limit(limit)
    .execute();
}

/** When the next open request ends by itself. */
export async function nextPairingExpiry(db: Executor): Promise<number | undefined> {
  const row = await db
    .selectFrom('pairing_requests')
    .select('expires_at_unix_ms')
    .where('state', 'in', OPEN_PAIRING_STATES)
    .orderBy('expires_at_unix_ms')
    .limit(1)
    .executeTakeFirst();
  return row?.expires_at_unix_ms;
}

/** What a transition writes beside the state. */
export type PairingChange = Partial<
  Pick<
    PairingRequestRow,
    'granted_json' | 'decided_at_unix_ms' | 'decided_by' | 'reason' | 'expires_at_unix_ms' | 'completed_at_unix_ms'
  >
>;

/** One transition: false when the request is not (or no longer) in the state it starts from. */
export async function movePairingRequest(
  tx: Tx,
  requestId: string,
  from: PairingState,
  to: PairingState,
  change: PairingChange,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('pairing_requests')
    .set({ ...change, state: to })
    .where('request_id', '=', requestId)
    .where('state', '=', from)
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/** Notes the one certificate of an approved request. False: it has one, or is not approved. */
export async function notePairingCertificate(tx: Tx, requestId: string, fingerprint: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('pairing_requests')
    .set({ certificate_fingerprint: fingerprint })
    .where('request_id', '=', requestId)
    .where('state', '=', 'approved')
    .where('certificate_fingerprint', 'is', null)
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/** The approved request that this certificate of a device was fetched for. */
export async function approvedRequestOfCertificate(
  db: Executor,
  deviceId: DeviceId,
  fingerprint: string,
): Promise<PairingRequestRow | undefined> {
  return db
    .selectFrom('pairing_requests')
    .selectAll()
    .where('device_id', '=', deviceId)
    .where('certificate_fingerprint', '=', fingerprint)
    .where('state', '=', 'approved')
    .executeTakeFirst();
}
