// What node-runtime.v1.json says. The names are those of the columns; binary stands in the file as base64.
import type {
  ApprovalRow,
  CapabilityRequestRow,
  CertificateRow,
  DeviceRow,
  NodeSessionRow,
  PairingCodeRow,
  PairingRequestRow,
} from './schema.ts';

/** A device with its certificates and its last session, whose epoch later ones go on from. */
export type PersistedNode = DeviceRow & {
  readonly certificates: readonly CertificateRow[];
  readonly session: NodeSessionRow | null;
};
/** An open pairing request with the approval that it waits for. */
export type PersistedPairingRequest = PairingRequestRow & { readonly approval: ApprovalRow | null };

/** The fleet as a daemon finds it again without its database: pairing codes as verifiers, never keys of the CA. */
export interface PersistedNodeRuntimeState {
  readonly schema_version: 1;
  readonly daemon_id: string;
  readonly saved_at_unix_ms: number;
  readonly active_pairing_codes: Readonly<Record<string, PairingCodeRow>>;
  readonly pairing_requests: Readonly<Record<string, PersistedPairingRequest>>;
  readonly nodes: Readonly<Record<string, PersistedNode>>;
  /** In flight, and only after a clean stop. */
  readonly capability_requests: Readonly<Record<string, CapabilityRequestRow>>;
}
