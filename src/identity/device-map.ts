import type { DeviceId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import { liveCertificates } from '../store/certificates.ts';
import type { CertificateRow, CertificateState, Trust } from '../store/schema.ts';
import type { Executor } from '../store/store.ts';
import { renewAfterUnixMs } from '../x509/certificate.ts';
import type { CertifiedDevice } from './types.ts';

interface Device {
  trust: Trust;
  readonly certificates: Map<string, Certificate>;
}

interface Certificate {
  readonly deviceId: DeviceId;
  readonly device: Device;
  readonly generation: number;
  readonly renewAfterUnixMs: number;
  state: CertificateState;
  notAfterUnixMs: number;
}

type CertificateView = Pick<
  CertificateRow,
  'fingerprint' | 'generation' | 'state' | 'not_before_unix_ms' | 'not_after_unix_ms' | 'superseded_at_unix_ms'
>;

const PAGE_ROWS = 1000;

/**
 * The certificates that may be shown to us, by fingerprint. Not the chain decides who calls but this map: what was
 * signed and is not in here is nobody's. Changed only after what it says is on disk.
 */
export class DeviceMap {
  readonly #devices = new Map<DeviceId, Device>();
  readonly #certificates = new Map<string, Certificate>();

  static async load(db: Executor, now: number): Promise<DeviceMap> {
    const map = new DeviceMap();
    let after: string | null = null;
    for (;;) {
      const rows = await liveCertificates(db, after, PAGE_ROWS);
      for (const row of rows)
        if (endOf(row) > now || row.state !== 'superseded') map.add(row.device_id, row.trust, row);
      if (rows.length < PAGE_ROWS) return map;
      after = rows.at(-1)?.fingerprint ?? null;
    }
  }

  /** O(1). */
  deviceOf(fingerprint: string): CertifiedDevice | undefined {
    const found = this.#certificates.get(fingerprint);
    if (found === undefined) return undefined;
    return {
      deviceId: found.deviceId,
      trust: found.device.trust,
      generation: found.generation,
      certificateState: found.state,
      notAfterUnixMs: found.notAfterUnixMs,
    };
  }

  renewAfter(fingerprint: string): number | undefined {
    return this.#certificates.get(fingerprint)?.renewAfterUnixMs;
  }

  /** Adds a certificate. `trust` counts for a device that is not here yet; what is known of another may be newer. */
  add(deviceId: DeviceId, trust: Trust, row: CertificateView): void {
    const device = this.#device(deviceId, trust);
    if (device.trust === 'removed' || row.state === 'revoked') return;
    const certificate = {
      deviceId,
      device,
      generation: row.generation,
      renewAfterUnixMs: renewAfterUnixMs(row.not_before_unix_ms, row.not_after_unix_ms),
      state: row.state,
      notAfterUnixMs: endOf(row),
    };
    device.certificates.set(row.fingerprint, certificate);
    this.#certificates.set(row.fingerprint, certificate);
  }

  /** A removed device stays as a name without certificates, so that none of it comes back by a late `add`. */
  setTrust(deviceId: DeviceId, trust: Trust): void {
    const device = this.#device(deviceId, trust);
    device.trust = trust;
    if (trust === 'removed') this.drop([...device.certificates.keys()]);
  }

  /** A certificate was used first: the older ones of its device end now or in a while. */
  used(fingerprint: string, nowUnixMs: number, olderEnd: 'now' | 'soon'): void {
    const used = this.#certificates.get(fingerprint);
    if (used === undefined) return;
    used.state = 'current';
    for (const [other, certificate] of used.device.certificates) {
      if (certificate.generation >= used.generation) continue;
      if (olderEnd === 'now' || certificate.notAfterUnixMs <= nowUnixMs) this.drop([other]);
      else if (certificate.state !== 'superseded') {
        certificate.state = 'superseded';
        certificate.notAfterUnixMs = Math.min(certificate.notAfterUnixMs, nowUnixMs + LIMITS.supersededMs);
      }
    }
  }

  drop(fingerprints: readonly string[]): void {
    for (const fingerprint of fingerprints) {
      this.#certificates.get(fingerprint)?.device.certificates.delete(fingerprint);
      this.#certificates.delete(fingerprint);
    }
  }

  #device(deviceId: DeviceId, trust: Trust): Device {
    let device = this.#devices.get(deviceId);
    if (device === undefined) {
      device = { trust, certificates: new Map() };
      this.#devices.set(deviceId, device);
    }
    return device;
  }
}

const endOf = (row: CertificateView): number =>
  row.superseded_at_unix_ms === null
    ? row.not_after_unix_ms
    : Math.min(row.not_after_unix_ms, row.superseded_at_unix_ms + LIMITS.supersededMs);
