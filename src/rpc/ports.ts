// What the node port needs of the domain rooms. The composition root plugs them in.
import type {
  BulkLink,
  LedgerEntry,
  NodeLink,
  NodeResult,
  OutputPiece,
  Reconciliation,
} from '../dispatch/node-link.ts';
import type { InstanceFacts, RegisteredSession } from '../inventory/inventory.ts';
import type { CapabilityOffer } from '../inventory/records.ts';
import type { DeviceId, RequestId, SessionId } from '../kernel/ids.ts';
import type { NodeSessionRow, Trust } from '../store/schema.ts';

/** What the map of issued certificates says of one of them. */
export interface CertifiedDevice {
  readonly deviceId: DeviceId;
  readonly trust: Trust;
  readonly generation: number;
  readonly notAfterUnixMs: number;
}

export interface IssuedCertificate {
  readonly chainDer: readonly Buffer[];
  readonly bundleDer: readonly Buffer[];
  readonly notAfterUnixMs: number;
  readonly renewAfterUnixMs: number;
}

export interface RotationOrder {
  readonly csrDer: Buffer;
  readonly reason: string;
  /** Signature of the old key over the new one; absent when the key stays. */
  readonly newKeyProof: Buffer | null;
}

/** Certificates and trust as the node port uses them. */
export interface IdentityPort {
  /** O(1). Undefined: not a certificate of ours, or one that ended. */
  deviceOf(fingerprint256: string): CertifiedDevice | undefined;
  /** Notes the first use of a certificate: it becomes the current one. */
  certificateUsed(deviceId: DeviceId, fingerprint256: string): Promise<void>;
  /** `enrolling` becomes `trusted`; once more changes nothing. */
  completeEnrolment(deviceId: DeviceId, fingerprint256: string): Promise<unknown>;
  renewAfter(fingerprint256: string): number;
  rotate(deviceId: DeviceId, fingerprint256: string, order: RotationOrder): Promise<IssuedCertificate>;
  /** The device leaves by itself. */
  leave(deviceId: DeviceId, reason: string, source: string): Promise<void>;
  bundle(): { readonly der: readonly Buffer[]; readonly sequence: number };
}

export interface InventoryPort {
  readonly heartbeatMs: number;
  register(deviceId: DeviceId, instance: InstanceFacts, offers: readonly CapabilityOffer[]): Promise<RegisteredSession>;
  opened(deviceId: DeviceId, sessionId: SessionId): NodeSessionRow;
  closed(deviceId: DeviceId, sessionId: SessionId, reason: string): Promise<void>;
  seen(deviceId: DeviceId): void;
  health(deviceId: DeviceId, degradedReason: string | null): void;
  offersChanged(deviceId: DeviceId, offers: readonly CapabilityOffer[]): Promise<void>;
  refresh(deviceId: DeviceId): Promise<void>;
}

/** The dispatch room as nodes speak to it. */
export interface NodeEventsPort {
  hello(link: NodeLink, entries: readonly LedgerEntry[]): Reconciliation;
  linkClosed(link: NodeLink): void;
  started(link: NodeLink, requestId: RequestId, startedAtUnixMs: number): void;
  awaitingLocalMediation(link: NodeLink, requestId: RequestId): void;
  output(link: NodeLink, requestId: RequestId, piece: OutputPiece): void;
  result(link: NodeLink, result: NodeResult): void;
  stdinAcknowledged(link: NodeLink, requestId: RequestId, bytes: number, closed: boolean): void;
  bulkOpened(link: NodeLink, requestId: RequestId, bulk: BulkLink): (() => void) | undefined;
}
