import type { DeviceId } from '../kernel/ids.ts';
import type { DeviceRow, Trust } from './schema.ts';
import type { Executor, Tx } from './store.ts';

// Reads of the inventory are in device-directory.ts.

/** Fails as `isDuplicateKey` when a device of this id or key exists. */
export async function insertDevice(tx: Tx, row: DeviceRow): Promise<void> {
  await tx.insertInto('devices').values(row).execute();
}

/** The device that this public key is (SHA-256 of its SPKI, lower-case hex). A removed device has let go of its key. */
export async function deviceBySpki(db: Executor, spkiSha256: string): Promise<DeviceRow | undefined> {
  return db.selectFrom('devices').selectAll().where('spki_sha256', '=', spkiSha256).executeTakeFirst();
}

/** Moves a device to another trust if it is in one of `from`; says whether it was. */
export async function moveTrust(
  tx: Tx,
  deviceId: DeviceId,
  from: readonly Trust[],
  to: Trust,
  reason: string | null,
  nowUnixMs: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('devices')
    .set({ trust: to, trust_reason: reason, trust_changed_at_unix_ms: nowUnixMs })
    .where('device_id', '=', deviceId)
    .where('trust', 'in', from)
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/** Counts a new certificate of a device: `from` to `from + 1`. False: somebody else has counted one since. */
export async function noteGeneration(tx: Tx, deviceId: DeviceId, from: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('devices')
    .set({ generation: from + 1 })
    .where('device_id', '=', deviceId)
    .where('generation', '=', from)
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/** Notes when a device finished its pairing; the first time stays. */
export async function notePaired(tx: Tx, deviceId: DeviceId, nowUnixMs: number): Promise<void> {
  await tx
    .updateTable('devices')
    .set({ paired_at_unix_ms: nowUnixMs })
    .where('device_id', '=', deviceId)
    .where('paired_at_unix_ms', 'is', null)
    .execute();
}

/** Sets what an approver granted a device. */
export async function changeGrant(tx: Tx, deviceId: DeviceId, grantedJson: string): Promise<void> {
  await tx.updateTable('devices').set({ granted_json: grantedJson }).where('device_id', '=', deviceId).execute();
}

/** Gives a device its next key. Fails as `isDuplicateKey` when that is another device. */
export async function changeKey(tx: Tx, deviceId: DeviceId, spkiSha256: string): Promise<void> {
  await tx.updateTable('devices').set({ spki_sha256: spkiSha256 }).where('device_id', '=', deviceId).execute();
}

/** Lets go of the key of a removed device, so that the same key can pair again as a new device. */
export async function releaseKey(tx: Tx, deviceId: DeviceId): Promise<void> {
  await tx
    .updateTable('devices')
    .set((eb) => ({ spki_sha256: eb(eb.ref('spki_sha256'), '||', `:removed:${deviceId}`) }))
    .where('device_id', '=', deviceId)
    .where('trust', '=', 'removed')
    .execute();
}
