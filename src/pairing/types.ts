import type { X509Certificate } from 'node:crypto';
import type { AuditEntry } from '../audit/audit-log.ts';
import type { SignedCertificate } from '../identity/types.ts';
import type { Clock } from '../kernel/clock.ts';
import type { DeviceId } from '../kernel/ids.ts';
import type { Logger } from '../kernel/log.ts';
import type { CodeKind } from '../pake/context.ts';
import type { CertificateRow, PairingState, Trust } from '../store/schema.ts';
import type { Store, Tx } from '../store/store.ts';

/** The CA and the map of certificates as pairing uses them. */
export interface IdentityPort {
  readonly caCertificate: X509Certificate;
  /** Of the DER: what pairing binds. */
  readonly caSha256: Buffer;
  caBundleDer(): readonly Buffer[];
  /** Signs only. Errors: clock_skew. */
  signDeviceCertificate(spki: Buffer, deviceId: DeviceId): Promise<SignedCertificate>;
  /** To be called after the row is committed. */
  remember(deviceId: DeviceId, trust: Trust, row: CertificateRow): void;
  /** To be called after the end of the certificates is committed. */
  forget(fingerprints: readonly string[]): void;
  renewAfterUnixMs(notBeforeUnixMs: number, notAfterUnixMs: number): number;
}

export type Audit = (tx: Tx, entry: AuditEntry) => Promise<void>;

/** What every part of this room needs. */
export interface PairingPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
  readonly audit: Audit;
  readonly identity: IdentityPort;
}

/** What whoever makes a code fixes for the machines that use it. */
export interface CodeConstraints {
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The most that may be granted. */
  readonly capabilities?: readonly string[];
  /** No human decides. Tokens only. */
  readonly autoApprove?: boolean;
}

export interface CodeOrder extends Omit<CodeConstraints, 'autoApprove'> {
  /** Lifetime, ms. */
  readonly ttlMs?: number;
}

export interface TokenOrder extends CodeConstraints {
  /** Lifetime, ms. */
  readonly ttlMs?: number;
  readonly maxUses?: number;
}

export interface MintedCode {
  readonly codeId: string;
  readonly pin: string;
  readonly expiresAtUnixMs: number;
}

export interface MintedToken {
  readonly codeId: string;
  readonly token: string;
  readonly expiresAtUnixMs: number;
}

export interface CodeRecord {
  readonly codeId: string;
  readonly kind: CodeKind;
  /** 0 for a token: its tries are not counted. */
  readonly triesLeft: number;
  readonly usesLeft: number;
  readonly expiresAtUnixMs: number;
  readonly createdAtUnixMs: number;
  readonly createdBy: string;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[] | null;
}

/** A machine that asks to join. What it says of itself is its claim. */
export interface PairingRecord {
  readonly requestId: string;
  readonly approvalId: string;
  readonly deviceId: DeviceId;
  readonly state: PairingState;
  readonly name: string;
  readonly shortString: string;
  readonly knownKey: boolean;
  readonly platform: string;
  readonly arch: string;
  readonly osVersion: string;
  readonly palyraVersion: string;
  readonly hostname: string;
  readonly sourceAddress: string;
  /** SHA-256 of the device's public key, hex. */
  readonly identityFingerprint: string;
  readonly requestedCapabilities: readonly string[];
  /** Requested and under the ceiling of the code. */
  readonly grantableCapabilities: readonly string[];
  readonly grantedCapabilities: readonly string[] | null;
  readonly codeId: string;
  readonly codeKind: CodeKind;
  readonly codeCreatedBy: string;
  readonly codeCreatedAtUnixMs: number;
  readonly createdAtUnixMs: number;
  readonly expiresAtUnixMs: number;
  readonly decidedAtUnixMs: number | null;
  readonly decidedBy: string | null;
  readonly reason: string | null;
  readonly completedAtUnixMs: number | null;
}

/** Where a caller of the node port comes from. */
export interface Caller {
  /** For the record: what the approver is shown. */
  readonly address: string;
  /** Who counts as one caller for the rate limits: an IPv4 address or an IPv6 /64. */
  readonly source: string;
}

/** What a machine says of itself once the daemon has proven itself. */
export interface DeviceClaims {
  readonly name: string;
  readonly platform: string;
  readonly arch: string;
  readonly osVersion: string;
  readonly palyraVersion: string;
  readonly hostname: string;
  readonly capabilities: readonly string[];
}

export interface BeginOrder {
  readonly kind: CodeKind;
  readonly selector: string;
  readonly clientNonce: Buffer;
  readonly csrDer: Buffer;
  readonly helloHash: Buffer;
  readonly sasCommit: Buffer;
}

export interface BegunSession {
  readonly sessionId: string;
  readonly salt: Buffer;
  readonly daemonNonce: Buffer;
  /** From now, ms. */
  readonly expiresInMs: number;
}

export interface ExchangeAnswer {
  readonly shareV: Buffer;
  readonly confirmV: Buffer;
}

export interface CompleteOrder {
  readonly sessionId: string;
  readonly confirmP: Buffer;
  readonly sasNonce: Buffer;
  /** As it was sent: its hash was bound before. */
  readonly helloBytes: Buffer;
  readonly claims: DeviceClaims;
}

export interface CompletedPairing {
  readonly requestId: string;
  readonly deviceId: DeviceId;
  readonly state: PairingState;
  readonly approvalId: string;
  readonly expiresAtUnixMs: number;
}

/** A proof of the device key of a pairing request. */
export interface RequestProof {
  readonly requestId: string;
  readonly challenge: Buffer;
  readonly signature: Buffer;
}

export interface RequestStatus {
  readonly state: PairingState;
  readonly reason: string | null;
  readonly decidedAtUnixMs: number | null;
  readonly deviceId: DeviceId;
  /** A fresh one, for the next call. */
  readonly challenge: Buffer;
}

export interface FetchedCertificate {
  readonly deviceId: DeviceId;
  /** Leaf, then its CA. */
  readonly chainDer: readonly Buffer[];
  readonly bundleDer: readonly Buffer[];
  readonly notAfterUnixMs: number;
  readonly renewAfterUnixMs: number;
}

/** A device whose certificate ran out, with a proof of its key. */
export interface RecoveryOrder {
  readonly deviceId: DeviceId;
  readonly csrDer: Buffer;
  readonly challenge: Buffer;
  readonly signature: Buffer;
}

/** A certificate, or the request that an approver must decide first. */
export type RecoveryOutcome =
  | { readonly certificate: FetchedCertificate }
  | { readonly requestId: string; readonly state: PairingState };
