import type { PairingCodeRow } from './schema.ts';
import type { Executor, Tx } from './store.ts';

export async function insertPairingCode(tx: Tx, row: PairingCodeRow): Promise<void> {
  await tx.insertInto('pairing_codes').values(row).execute();
}

/** The code of a selector that has not expired; it may be out of tries. */
export async function pairingCodeBySelector(
  db: Executor,
  kind: PairingCodeRow['kind'],
  selector: string,
  nowUnixMs: number,
): Promise<PairingCodeRow | undefined> {
  return db
    .selectFrom('pairing_codes')
    .selectAll()
    .where('kind', '=', kind)
    .where('selector', '=', selector)
    .where('expires_at_unix_ms', '>', nowUnixMs)
    .executeTakeFirst();
}

/** Selectors of PINs that are in use. */
export async function livePinSelectors(db: Executor, nowUnixMs: number): Promise<string[]> {
  const rows = await db
    .selectFrom('pairing_codes')
    .select('selector')
    .where('kind', '=', 'pin')
    .where('expires_at_unix_ms', '>', nowUnixMs)
    .execute();
  return rows.map(({ selector }) => selector);
}

/** Codes that have not expired, the newest first, older than `before`. */
export async function livePairingCodes(
  db: Executor,
  nowUnixMs: number,
  before: string | null,
  limit: number,
): Promise<PairingCodeRow[]> {
  let rows = db.selectFrom('pairing_codes').selectAll().where('expires_at_unix_ms', '>', nowUnixMs);
  if (before !== null) rows = rows.where('code_id', '<', before);
  return rows.orderBy('code_id', 'desc').limit(limit).execute();
}

/** A code as it is at this moment; undefined: it was used up, was revoked or has expired. */
export async function livePairingCode(
  db: Executor,
  codeId: string,
  nowUnixMs: number,
): Promise<PairingCodeRow | undefined> {
  return db
    .selectFrom('pairing_codes')
    .selectAll()
    .where('code_id', '=', codeId)
    .where('uses_left', '>', 0)
    .where('expires_at_unix_ms', '>', nowUnixMs)
    .executeTakeFirst();
}

/**
 * Takes one try of a PIN if there is one left. Undefined: the PIN is dead. With the last try gone it ends at
 * `exhaustedEndUnixMs` at the latest: whoever used that try may be right.
 */
export async function chargeTry(
  tx: Tx,
  codeId: string,
  nowUnixMs: number,
  exhaustedEndUnixMs: number,
): Promise<{ readonly triesLeft: number } | undefined> {
  const { numUpdatedRows } = await tx
    .updateTable('pairing_codes')
    .set((eb) => ({ tries_left: eb('tries_left', '-', 1) }))
    .where('code_id', '=', codeId)
    .where('tries_left', '>', 0)
    .where('uses_left', '>', 0)
    .where('expires_at_unix_ms', '>', nowUnixMs)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows !== 1n) return undefined;
  const { tries_left: triesLeft } = await tx
    .selectFrom('pairing_codes')
    .select('tries_left')
    .where('code_id', '=', codeId)
    .executeTakeFirstOrThrow();
  if (triesLeft === 0) {
    await tx
      .updateTable('pairing_codes')
      .set({ expires_at_unix_ms: exhaustedEndUnixMs })
      .where('code_id', '=', codeId)
      .where('expires_at_unix_ms', '>', exhaustedEndUnixMs)
      .execute();
  }
  return { triesLeft };
}

const FAKE_TRY = 'pairing_fake_try';

/** Costs the disk what `chargeTry` costs it, so that time does not tell a dead selector from a live one. */
export async function chargeFakeTry(tx: Tx, nowUnixMs: number): Promise<void> {
  const value = String(nowUnixMs);
  await tx
    .insertInto('meta')
    .values({ key: FAKE_TRY, value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
}

/** Takes one use of a code; false: it was used up, or has expired. A code without uses is deleted. */
export async function consumePairingCode(tx: Tx, codeId: string, nowUnixMs: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('pairing_codes')
    .set((eb) => ({ uses_left: eb('uses_left', '-', 1) }))
    .where('code_id', '=', codeId)
    .where('uses_left', '>', 0)
    .where('expires_at_unix_ms', '>', nowUnixMs)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows !== 1n) return false;
  await tx.deleteFrom('pairing_codes').where('code_id', '=', codeId).where('uses_left', '=', 0).execute();
  return true;
}

/** False: there is none of this id. */
export async function deletePairingCode(tx: Tx, codeId: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('pairing_codes')
    .where('code_id', '=', codeId)
    .executeTakeFirstOrThrow();
  return numDeletedRows === 1n;
}

/** Deletes what has expired; says how many codes that were. */
export async function deleteExpiredPairingCodes(tx: Tx, nowUnixMs: number): Promise<number> {
  const { numDeletedRows } = await tx
    .deleteFrom('pairing_codes')
    .where('expires_at_unix_ms', '<=', nowUnixMs)
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}
