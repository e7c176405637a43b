import type { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { PalyraError } from '../kernel/errors.ts';
import { ensurePrivateDir } from '../kernel/files.ts';
import type { DeviceId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { CertificateRow, Trust } from '../store/schema.ts';
import { factsOf, renewAfterUnixMs } from '../x509/certificate.ts';
import { type Authority, openCa } from './ca-files.ts';
import { completeEnrolment } from './complete-enrolment.ts';
import { DaemonLeaf } from './daemon-leaf.ts';
import { DeviceMap } from './device-map.ts';
import { decideTrust, type TrustVerb } from './device-trust.ts';
import { firstUse } from './first-use.ts';
import { IssuingClock } from './issuing-clock.ts';
import { rotateCertificate } from './rotate-certificate.ts';
import { type Signer, signDeviceCertificate } from './sign-device-certificate.ts';
import type {
  CertifiedDevice,
  IdentityOptions,
  IssuedCertificate,
  RotationOrder,
  ServerCredentialsPem,
  SignedCertificate,
  TrustActor,
  TrustListener,
} from './types.ts';

interface Parts {
  readonly options: IdentityOptions;
  readonly signer: Signer;
  readonly leaf: DaemonLeaf;
  readonly map: DeviceMap;
}

/**
 * Who is who: the CA, the daemon's certificate, the devices' certificates, and the trust in devices. Joins the parts
 * of this room; what it holds in memory is changed only after it is on disk.
 */
export class IdentityManager {
  readonly #options: IdentityOptions;
  readonly #signer: Signer;
  readonly #leaf: DaemonLeaf;
  readonly #map: DeviceMap;
  readonly #trustListeners = new Set<TrustListener>();

  private constructor({ options, signer, leaf, map }: Parts) {
    this.#options = options;
    this.#signer = signer;
    this.#leaf = leaf;
    this.#map = map;
  }

  /**
   * Reads or makes the CA and the daemon's certificate, and fills the map. `close` ends its timer.
   * Errors: credential_unsafe, credential_damaged, clock_skew, disk_full, no_permission.
   */
  static async open(options: IdentityOptions): Promise<IdentityManager> {
    const { home, clock, log, store, daemonId } = options;
    const issuing = new IssuingClock(clock);
    const leafFolder = join(home, 'identity');
    ensurePrivateDir(home);
    ensurePrivateDir(leafFolder);
    const path = join(leafFolder, 'daemon.pem');
    const authority = await openCa({ folder: join(home, 'ca'), now: () => issuing.now(), leafPath: path });
    issuing.knows(factsOf(authority.certificate).notBeforeUnixMs + LIMITS.backdateMs);
    const map = await DeviceMap.load(store.reader, clock.now());
    const lifetimeMs = options.daemonLeafMs ?? LIMITS.daemonLeafMs;
    const leaf = await DaemonLeaf.open({ path, authority, daemonId, lifetimeMs, issuing, clock, log });
    const signer = { authority, issuing, deviceLeafMs: options.deviceLeafMs ?? LIMITS.deviceLeafMs };
    return new IdentityManager({ options, signer, leaf, map });
  }

  close(): void {
    this.#leaf.close();
  }

  get #authority(): Authority {
    return this.#signer.authority;
  }

  get caCertificate(): X509Certificate {
    return this.#authority.certificate;
  }

  /** Of the DER: what pairing binds. */
  get caSha256(): Buffer {
    return this.#authority.sha256;
  }

  /** All CAs that are not retired. */
  caBundleDer(): Buffer[] {
    return [this.#authority.der];
  }

  /** Grows with each change of the bundle. */
  get caSequence(): number {
    return 1;
  }

  bundle(): { readonly der: readonly Buffer[]; readonly sequence: number } {
    return { der: this.caBundleDer(), sequence: this.caSequence };
  }

  serverCredentials(): ServerCredentialsPem {
    return this.#leaf.credentials;
  }

  /** Calls `listener` at each renewal of the daemon's certificate; the returned function ends that. */
  onServerCredentials(listener: (credentials: ServerCredentialsPem) => void): () => void {
    return this.#leaf.onRenewed(listener);
  }

  /** Signs only: see `remember`. Errors: clock_skew. */
  signDeviceCertificate(spki: Buffer, deviceId: DeviceId): Promise<SignedCertificate> {
    return signDeviceCertificate(this.#signer, spki, deviceId);
  }

  renewAfterUnixMs(notBeforeUnixMs: number, notAfterUnixMs: number): number {
    return renewAfterUnixMs(notBeforeUnixMs, notAfterUnixMs);
  }

  /** The device of a certificate. O(1). Undefined: not in our map, whoever signed it. */
  deviceOf(fingerprint256: string): CertifiedDevice | undefined {
    return this.#map.deviceOf(fingerprint256);
  }

  /** When this certificate should be replaced. Errors: certificate_unknown. */
  renewAfter(fingerprint256: string): number {
    const due = this.#map.renewAfter(fingerprint256);
    if (due === undefined) throw unknownCertificate();
    return due;
  }

  /** Adds a certificate whose row is committed. `trust` counts for a device that the map does not have yet. */
  remember(deviceId: DeviceId, trust: Trust, row: CertificateRow): void {
    this.#map.add(deviceId, trust, row);
  }

  /** Forgets certificates whose end is committed. */
  forget(fingerprints: readonly string[]): void {
    this.#map.drop(fingerprints);
  }

  /** Notes the first use of a certificate; every later call costs one look into the map. */
  async certificateUsed(deviceId: DeviceId, fingerprint256: string): Promise<void> {
    if (this.deviceOf(fingerprint256)?.certificateState !== 'issued') return;
    const now = this.#options.clock.now();
    const used = await this.#options.store.write((tx) => firstUse(tx, deviceId, fingerprint256, now, 'soon'));
    if (used !== undefined) this.#map.used(fingerprint256, now, used.olderEnd);
  }

  /**
   * `enrolling` becomes `trusted`; true when it just did. Once more changes nothing.
   * Errors: device_removed, device_revoked, device_suspended, certificate_unknown.
   */
  async completeEnrolment(deviceId: DeviceId, fingerprint256: string): Promise<boolean> {
    const known = this.deviceOf(fingerprint256);
    if (known?.deviceId === deviceId && known.trust === 'trusted' && known.certificateState !== 'issued') return false;
    const now = this.#options.clock.now();
    const { enrolled, used } = await this.#options.store.write((tx) =>
      completeEnrolment(tx, this.#options, deviceId, fingerprint256, now),
    );
    if (enrolled) this.#map.setTrust(deviceId, 'trusted');
    if (used !== undefined) this.#map.used(fingerprint256, now, used.olderEnd);
    if (enrolled) this.#tellTrust(deviceId, 'trusted', 'paired');
    return enrolled;
  }

  /** The next certificate of a device that showed this one: see `rotateCertificate`. */
  async rotate(deviceId: DeviceId, fingerprint256: string, order: RotationOrder): Promise<IssuedCertificate> {
    const held = this.deviceOf(fingerprint256);
    if (held === undefined) throw unknownCertificate();
    if (held.deviceId !== deviceId) {
      throw new PalyraError('device_mismatch', 'the certificate belongs to another device');
    }
    const { row, dropped } = await rotateCertificate(this.#options, this.#signer, deviceId, fingerprint256, order);
    this.#map.drop(dropped);
    if (this.deviceOf(row.fingerprint) === undefined) this.#map.add(deviceId, 'trusted', row);
    return {
      chainDer: [row.certificate_der, this.#authority.der],
      bundleDer: this.caBundleDer(),
      notAfterUnixMs: row.not_after_unix_ms,
      renewAfterUnixMs: renewAfterUnixMs(row.not_before_unix_ms, row.not_after_unix_ms),
    };
  }

  /** Cuts a device off for good. Errors: node_not_found. */
  revoke(deviceId: DeviceId, actor: TrustActor, reason: string): Promise<void> {
    return this.#decide('revoke', deviceId, actor, reason);
  }

  /** Cuts a device off until `reinstate`. Errors: node_not_found, conflict. */
  suspend(deviceId: DeviceId, actor: TrustActor, reason: string): Promise<void> {
    return this.#decide('suspend', deviceId, actor, reason);
  }

  /** Ends a suspension. Errors: node_not_found, conflict. */
  reinstate(deviceId: DeviceId, actor: TrustActor, reason: string): Promise<void> {
    return this.#decide('reinstate', deviceId, actor, reason);
  }

  /** Ends a device; its key can pair again as a new one. Errors: node_not_found. */
  remove(deviceId: DeviceId, actor: TrustActor, reason: string): Promise<void> {
    return this.#decide('remove', deviceId, actor, reason);
  }

  /** The device removes itself; `source` is its address. Errors: node_not_found. */
  leave(deviceId: DeviceId, reason: string, source: string): Promise<void> {
    return this.#decide('remove', deviceId, { id: `device:${deviceId}`, source }, reason);
  }

  /** Calls `listener` after each change of trust is on disk; the returned function ends that. */
  onTrustChange(listener: TrustListener): () => void {
    this.#trustListeners.add(listener);
    return () => this.#trustListeners.delete(listener);
  }

  async #decide(verb: TrustVerb, deviceId: DeviceId, actor: TrustActor, reason: string): Promise<void> {
    const { moved, trust } = await decideTrust(this.#options, verb, deviceId, actor, reason);
    if (!moved) return;
    this.#map.setTrust(deviceId, trust);
    this.#tellTrust(deviceId, trust, reason);
  }

  #tellTrust(deviceId: DeviceId, trust: Trust, reason: string): void {
    for (const listener of this.#trustListeners) listener(deviceId, trust, reason);
  }
}

const unknownCertificate = (): PalyraError =>
  new PalyraError('certificate_unknown', 'this daemon does not know the certificate', {
    hint: 'pair this machine again: `palyra node unpair --local`, then `palyra node pair <pin>`',
  });
