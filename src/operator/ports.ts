// What the operator edge needs of the domain rooms. The composition root plugs them in.
import type { Actor, Page } from '../dispatch/types.ts';
import type { Presence } from '../inventory/presence.ts';
import type { InventoryDeviceRecord } from '../inventory/records.ts';
import type { DeviceId } from '../kernel/ids.ts';
import type { PairingState, Trust } from '../store/schema.ts';

interface NodeFilter {
  readonly presence?: readonly Presence[];
  readonly trust?: readonly Trust[];
  /** Part of the name or host name. */
  readonly search?: string;
}

/** The inventory as this edge reads it. */
export interface InventoryPort {
  /** Without a trust in the filter: all but removed devices. */
  list(filter: NodeFilter, cursor: string | null, limit: number): Promise<Page<InventoryDeviceRecord>>;
  /**
   * The device of a name, an id or a unique prefix of an id. Errors: node_not_found; ambiguous_name with
   * `details.candidates` of `{device_id, name}`.
   */
  resolve(reference: string): Promise<InventoryDeviceRecord>;
}

/** Decisions about the trust in a device. */
export interface DeviceTrustPort {
  /**
   * Cuts the device off for good: certificate, stream and open work. Once more changes nothing.
   * Errors: node_not_found.
   */
  revoke(deviceId: DeviceId, actor: Actor, reason: string): Promise<void>;
}

export interface CodeOrder {
  /** Lifetime, ms. */
  readonly ttlMs?: number;
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly capabilities?: readonly string[];
}

export interface MintedCode {
  readonly codeId: string;
  readonly pin: string;
  readonly expiresAtUnixMs: number;
}

export interface CodeRecord {
  readonly codeId: string;
  readonly kind: 'pin' | 'token';
  readonly triesLeft: number;
  readonly usesLeft: number;
  readonly expiresAtUnixMs: number;
  readonly createdAtUnixMs: number;
  readonly createdBy: string;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[] | null;
}

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
  readonly identityFingerprint: string;
  readonly requestedCapabilities: readonly string[];
  /** Requested and under the ceiling of the code. */
  readonly grantableCapabilities: readonly string[];
  readonly grantedCapabilities: readonly string[] | null;
  readonly codeId: string;
  readonly codeKind: 'pin' | 'token';
  readonly codeCreatedBy: string;
  readonly codeCreatedAtUnixMs: number;
  readonly createdAtUnixMs: number;
  readonly expiresAtUnixMs: number;
  readonly decidedAtUnixMs: number | null;
  readonly decidedBy: string | null;
  readonly reason: string | null;
  readonly completedAtUnixMs: number | null;
}

export interface PairingPort {
  /** Errors: too_many_codes, invalid_argument. */
  mintPin(order: CodeOrder, actor: Actor): Promise<MintedCode>;
  /** Live codes; never what they say. */
  listCodes(cursor: string | null, limit: number): Promise<Page<CodeRecord>>;
  /** Errors: not_found. */
  revokeCode(codeId: string, actor: Actor): Promise<void>;
  /** Newest first. */
  listRequests(
    filter: { readonly state?: PairingState },
    cursor: string | null,
    limit: number,
  ): Promise<Page<PairingRecord>>;
  /** By id, a unique prefix of it, or the name of the one open request. Errors: pairing_request_not_found, ambiguous_name. */
  showRequest(reference: string): Promise<PairingRecord>;
  /**
   * Grants exactly these capabilities. The same decision again answers as before. Errors: pairing_request_not_found,
   * pairing_request_closed, approval_already_decided, invalid_argument (a capability that is not grantable).
   */
  approve(requestId: string, grant: readonly string[], actor: Actor, reason: string | null): Promise<PairingRecord>;
  /** Errors: pairing_request_not_found, pairing_request_closed, approval_already_decided. */
  reject(requestId: string, actor: Actor, reason: string | null): Promise<PairingRecord>;
}

/** The inputs of the capabilities that this version knows. */
export interface CapabilityCatalog {
  /**
   * The input as its schema reads it, or undefined for a capability that only its node knows.
   * Errors: invalid_argument for unknown fields and everything else that does not fit.
   */
  parseInput(capability: string, input: unknown): unknown;
}

/** What must hold before the daemon calls itself ready; a failing check rejects or says false. */
export interface ReadinessCheck {
  readonly name: string;
  readonly check: () => Promise<boolean>;
}
