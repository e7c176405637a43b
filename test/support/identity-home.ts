// The identity room over a real store in an own folder; only the clock is a stand-in.
import type { KeyObject } from 'node:crypto';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { AuditLog } from '../../src/audit/audit-log.ts';
import { IdentityManager } from '../../src/identity/identity-manager.ts';
import { issuedRow } from '../../src/identity/sign-device-certificate.ts';
import type { IdentityOptions } from '../../src/identity/types.ts';
import { type DeviceId, idMaker } from '../../src/kernel/ids.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import { insertCertificate } from '../../src/store/certificates.ts';
import { insertDevice, noteGeneration } from '../../src/store/devices.ts';
import type { CertificateRow, DeviceRow, Trust } from '../../src/store/schema.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { writeCsr } from '../../src/x509/csr.ts';
import { generateP256, sha256Hex, spkiOf, spkiSha256 } from '../../src/x509/key-pair.ts';
import { FakeClock } from './fake-clock.ts';

export const START = Date.UTC(2026, 10, 25, 12);
export const OPERATOR = { id: 'operator:op1', source: 'unix' };

/** A machine that was paired: its key and the certificate it holds. */
export interface Paired {
  readonly deviceId: DeviceId;
  readonly key: KeyObject;
  readonly row: CertificateRow;
}

export type Overrides = Partial<Omit<IdentityOptions, 'home' | 'store'>>;

export class IdentityHome {
  readonly folder: string;
  readonly daemonHome: string;
  readonly clock: FakeClock;
  readonly newId: () => string;
  store: Store;
  identity: IdentityManager;

  private constructor(folder: string, clock: FakeClock, store: Store, identity: IdentityManager) {
    this.folder = folder;
    this.daemonHome = join(folder, 'daemon');
    this.clock = clock;
    this.store = store;
    this.identity = identity;
    this.newId = idMaker(() => clock.now());
  }

  static async make(t: TestContext, overrides: Overrides = {}): Promise<IdentityHome> {
    const folder = mkdtempSync(join(tmpdir(), 'palyra-identity-'));
    const clock = new FakeClock(START);
    const { store, identity } = await openIdentity(folder, clock, overrides);
    const made = new IdentityHome(folder, clock, store, identity);
    t.after(async () => {
      await made.close();
      rmSync(folder, { recursive: true, force: true });
    });
    return made;
  }

  async close(): Promise<void> {
    this.identity.close();
    await this.store.close();
  }

  /** Ends it and starts it again over the same home. */
  async restart(overrides: Overrides = {}): Promise<void> {
    await this.close();
    Object.assign(this, await openIdentity(this.folder, this.clock, overrides));
  }

  /** A device up to its first fetch: `enrolling`, with a certificate nobody used. */
  async enrolling(name = 'web-1', key?: KeyObject): Promise<Paired> {
    const deviceId = this.newId() as DeviceId;
    const paired = key ?? (await generateP256());
    const csr = await writeCsr(paired);
    const signed = await this.identity.signDeviceCertificate(spkiOf(paired), deviceId);
    const nowUnixMs = this.clock.now();
    const row = issuedRow(signed, { deviceId, generation: 1, csrSha256: sha256Hex(csr), nowUnixMs });
    await this.store.write(async (tx) => {
      await insertDevice(tx, newDevice(deviceId, name, spkiSha256(paired), nowUnixMs));
      await insertCertificate(tx, row);
    });
    this.identity.remember(deviceId, 'enrolling', row);
    return { deviceId, key: paired, row };
  }

  async trusted(name?: string): Promise<Paired> {
    const paired = await this.enrolling(name);
    await this.identity.completeEnrolment(paired.deviceId, paired.row.fingerprint);
    return paired;
  }

  /** A further certificate of the device's key as pairing again would give it. */
  async pairedAgain({ deviceId, key }: Paired): Promise<CertificateRow> {
    const signed = await this.identity.signDeviceCertificate(spkiOf(key), deviceId);
    const device = await this.device(deviceId);
    const generation = device.generation + 1;
    const csrSha256 = sha256Hex(await writeCsr(key));
    const row = issuedRow(signed, { deviceId, generation, csrSha256, nowUnixMs: this.clock.now() });
    await this.store.write(async (tx) => {
      await noteGeneration(tx, deviceId, device.generation);
      await insertCertificate(tx, row);
    });
    this.identity.remember(deviceId, device.trust, row);
    return row;
  }

  device(deviceId: DeviceId): Promise<DeviceRow> {
    return this.store.reader
      .selectFrom('devices')
      .selectAll()
      .where('device_id', '=', deviceId)
      .executeTakeFirstOrThrow();
  }

  /** What the audit says was done, oldest first. */
  async audited(): Promise<string[]> {
    const rows = await this.store.reader.selectFrom('audit_rows').select('action').orderBy('seq').execute();
    return rows.map(({ action }) => action);
  }
}

async function openIdentity(
  folder: string,
  clock: FakeClock,
  overrides: Overrides,
): Promise<{ readonly store: Store; readonly identity: IdentityManager }> {
  const store = await openSqliteStore({ path: join(folder, 'palyra.db') });
  try {
    const daemonId = overrides.daemonId ?? '01BX5ZZKBKACTAV9WEVGEMMVRZ';
    const identity = await IdentityManager.open({
      home: join(folder, 'daemon'),
      store,
      clock,
      log: makeLogger({ level: 'error', component: 'test', fd: openSync(join(folder, 'log.jsonl'), 'a', 0o600) }),
      newId: idMaker(() => clock.now()),
      audit: new AuditLog({ daemonId, clock }).append,
      ...overrides,
      daemonId,
    });
    return { store, identity };
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

export const newDevice = (
  deviceId: DeviceId,
  name: string,
  spki: string,
  now: number,
  trust: Trust = 'enrolling',
): DeviceRow => ({
  device_id: deviceId,
  name,
  trust,
  trust_reason: null,
  trust_changed_at_unix_ms: now,
  spki_sha256: spki,
  generation: 1,
  platform: 'linux',
  arch: 'x64',
  os_version: '6.18',
  palyra_version: '0.1.0',
  hostname: name,
  labels_json: '{}',
  granted_json: '[]',
  withdrawn_json: '[]',
  offered_json: '[]',
  pairing_request_id: '01K8ZJ4Q2N7M5W3V1T9R6P8XYA',
  created_at_unix_ms: now,
  paired_at_unix_ms: null,
  last_seen_at_unix_ms: null,
  last_disconnected_at_unix_ms: null,
  last_disconnect_reason: null,
  seen_tokens_json: '[]',
  conflict_json: null,
});
