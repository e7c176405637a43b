import type { AuditEntry } from '../audit/audit-log.ts';
import type { Clock } from '../kernel/clock.ts';
import type { DeviceId } from '../kernel/ids.ts';
import type { Logger } from '../kernel/log.ts';
import type { CertificateState, Trust } from '../store/schema.ts';
import type { Store, Tx } from '../store/store.ts';
import type { CertificateFacts } from '../x509/certificate.ts';

/** What a certificate of ours stands for at this moment. */
export interface CertifiedDevice {
  readonly deviceId: DeviceId;
  readonly trust: Trust;
  readonly generation: number;
  readonly certificateState: CertificateState;
  /** Its own end, or the earlier one that its successor brought. */
  readonly notAfterUnixMs: number;
}

/** A fresh certificate that is in no table yet. */
export interface SignedCertificate extends CertificateFacts {
  readonly der: Buffer;
}

/** What a device gets: its certificate and whom it may believe. */
export interface IssuedCertificate {
  /** Leaf, then its CA. */
  readonly chainDer: readonly Buffer[];
  readonly bundleDer: readonly Buffer[];
  readonly notAfterUnixMs: number;
  readonly renewAfterUnixMs: number;
}

export interface RotationOrder {
  readonly csrDer: Buffer;
  readonly reason: string;
  /** `signKeyChange` of the old key over the new one; absent when the key stays. */
  readonly newKeyProof: Buffer | null;
}

/** PEM of what the daemon shows on the node port and of whom it accepts there. */
export interface ServerCredentialsPem {
  /** All CAs that are not retired. */
  readonly ca: string;
  /** Leaf, then its CA. */
  readonly chain: string;
  readonly key: string;
}

/** Who decided about a device. */
export interface TrustActor {
  /** `operator:<id>`, `device:<id>` or `system:<part>`. */
  readonly id: string;
  /** Address it came from, `unix` or `local`. */
  readonly source: string;
}

/** Called after a change of trust is on disk. Must not throw. */
export type TrustListener = (deviceId: DeviceId, trust: Trust, reason: string) => void;

export interface IdentityPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly daemonId: string;
  readonly audit: (tx: Tx, entry: AuditEntry) => Promise<void>;
}

export interface IdentityOptions extends IdentityPorts {
  /** The daemon's folder, `<home>/daemon`. */
  readonly home: string;
  readonly newId: () => string;
  /** Lifetime of device certificates, ms; LIMITS.deviceLeafMs when absent. */
  readonly deviceLeafMs?: number;
  /** Lifetime of the daemon's own certificate, ms; LIMITS.daemonLeafMs when absent. */
  readonly daemonLeafMs?: number;
  /**
   * Runs in the transaction in which a device first used a certificate, `fingerprint`: closes the pairing request that
   * this certificate was fetched for, if it is one of those.
   */
  readonly onEnrolled?: (tx: Tx, deviceId: DeviceId, nowUnixMs: number, fingerprint: string) => Promise<void>;
}
