import type { DeviceId } from '../kernel/ids.ts';
import type { CertificateRow, Trust } from './schema.ts';
import type { Executor, Tx } from './store.ts';

export async function insertCertificate(tx: Tx, row: CertificateRow): Promise<void> {
  await tx.insertInto('certificates').values(row).execute();
}

/** The newest certificate that answered this certificate request of a device. */
export async function certificateByCsr(
  db: Executor,
  deviceId: DeviceId,
  csrSha256: string,
): Promise<CertificateRow | undefined> {
  return db
    .selectFrom('certificates')
    .selectAll()
    .where('device_id', '=', deviceId)
    .where('csr_sha256', '=', csrSha256)
    .orderBy('generation', 'desc')
    .executeTakeFirst();
}

export async function certificateByFingerprint(db: Executor, fingerprint: string): Promise<CertificateRow | undefined> {
  return db.selectFrom('certificates').selectAll().where('fingerprint', '=', fingerprint).executeTakeFirst();
}

/** All certificates of a device, the newest first. */
export async function certificatesOf(db: Executor, deviceId: DeviceId): Promise<CertificateRow[]> {
  return db
    .selectFrom('certificates')
    .selectAll()
    .where('device_id', '=', deviceId)
    .orderBy('generation', 'desc')
    .execute();
}

/** What decides about a certificate that a caller shows. */
export type LiveCertificate = Pick<
  CertificateRow,
  | 'fingerprint'
  | 'device_id'
  | 'generation'
  | 'state'
  | 'not_before_unix_ms'
  | 'not_after_unix_ms'
  | 'superseded_at_unix_ms'
> & { readonly trust: Trust };

/** Certificates that were not ended, of devices that were not removed, by fingerprint after `after`. */
export async function liveCertificates(db: Executor, after: string | null, limit: number): Promise<LiveCertificate[]> {
  let rows = db
    .selectFrom('certificates')
    .innerJoin('devices', 'devices.device_id', 'certificates.device_id')
    .select([
      'certificates.fingerprint',
      'certificates.device_id',
      'certificates.generation',
      'certificates.state',
      'certificates.not_before_unix_ms',
      'certificates.not_after_unix_ms',
      'certificates.superseded_at_unix_ms',
      'devices.trust',
    ])
    .where('certificates.state', '!=', 'revoked')
    .where('devices.trust', '!=', 'removed');
  if (after !== null) rows = rows.where('certificates.fingerprint', '>', after);
  return rows.orderBy('certificates.fingerprint').limit(limit).execute();
}

/** First use of a certificate: `issued` becomes `current`. False: it was used before, or has ended. */
export async function markFirstUse(tx: Tx, fingerprint: string, nowUnixMs: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('certificates')
    .set({ state: 'current', first_used_at_unix_ms: nowUnixMs })
    .where('fingerprint', '=', fingerprint)
    .where('state', '=', 'issued')
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/** A newer certificate is in use: the older ones of the device are superseded from now on. */
export async function supersedeOlder(tx: Tx, deviceId: DeviceId, generation: number, nowUnixMs: number): Promise<void> {
  await tx
    .updateTable('certificates')
    .set({ state: 'superseded', superseded_at_unix_ms: nowUnixMs })
    .where('device_id', '=', deviceId)
    .where('generation', '<', generation)
    .where('state', 'in', ['issued', 'current'])
    .execute();
}

/** Ends the certificates of a device below this generation at once; without one, all of them. */
export async function revokeCertificates(tx: Tx, deviceId: DeviceId, belowGeneration?: number): Promise<void> {
  let rows = tx
    .updateTable('certificates')
    .set({ state: 'revoked' })
    .where('device_id', '=', deviceId)
    .where('state', '!=', 'revoked');
  if (belowGeneration !== undefined) rows = rows.where('generation', '<', belowGeneration);
  await rows.execute();
}

/** Ends one certificate at once. False: it has ended before, or never was. */
export async function revokeCertificate(tx: Tx, fingerprint: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('certificates')
    .set({ state: 'revoked' })
    .where('fingerprint', '=', fingerprint)
    .where('state', '!=', 'revoked')
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

/**
 * Forgets what a device no longer needs: certificates that ended before `endedBefore`, and all but the newest `keep` of
 * those below `generation` that it never used, so that asking again and again fills no table.
 */
export async function pruneCertificates(
  tx: Tx,
  deviceId: DeviceId,
  bounds: { readonly endedBefore: number; readonly generation: number; readonly keepUnused: number },
): Promise<string[]> {
  const unused = await tx
    .selectFrom('certificates')
    .select('fingerprint')
    .where('device_id', '=', deviceId)
    .where('state', '=', 'issued')
    .where('generation', '<', bounds.generation)
    .orderBy('generation', 'desc')
    .execute();
  const ended = await tx
    .selectFrom('certificates')
    .select('fingerprint')
    .where('device_id', '=', deviceId)
    .where('not_after_unix_ms', '<', bounds.endedBefore)
    .where('generation', '<', bounds.generation)
    .execute();
  const gone = [...new Set([...unused.slice(bounds.keepUnused), ...ended].map(({ fingerprint }) => fingerprint))];
  if (gone.length > 0) await tx.deleteFrom('certificates').where('fingerprint', 'in', gone).execute();
  return gone;
}
