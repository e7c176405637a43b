import type { DeviceId } from '../kernel/ids.ts';
import type { DeviceRow, NodeSessionRow, Trust } from '../store/schema.ts';
import type { Presence } from './presence.ts';

/** A capability as a node announces it. */
export interface CapabilityOffer {
  readonly name: string;
  readonly available: boolean;
  readonly unavailable_reason: string | null;
}

/** A capability as the inventory shows it: offered by the node, granted by an approver, not withdrawn. */
export interface InventoryCapability extends CapabilityOffer {
  readonly state: 'granted' | 'unapproved' | 'withdrawn';
}

/** A running process of a device. */
export interface InventoryInstance {
  readonly session_id: string;
  readonly boot_id: string;
  readonly pid: number;
  readonly remote_address: string;
  readonly palyra_version: string;
  readonly started_at_unix_ms: number;
  readonly connected_at_unix_ms: number;
}

/** A device as everything shows it: list, describe, HTTP, Console. */
export interface InventoryDeviceRecord {
  readonly device_id: DeviceId;
  readonly name: string;
  readonly trust: Trust;
  readonly trust_reason: string | null;
  readonly presence: Presence;
  readonly degraded_reason: string | null;
  readonly platform: string;
  readonly arch: string;
  readonly os_version: string;
  readonly palyra_version: string;
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly capabilities: readonly InventoryCapability[];
  readonly capability_summary: { readonly total: number; readonly available: number; readonly unavailable: number };
  readonly key_sha256: string;
  readonly created_at_unix_ms: number;
  readonly paired_at_unix_ms: number | null;
  readonly last_seen_at_unix_ms: number | null;
  readonly last_disconnected_at_unix_ms: number | null;
  readonly last_disconnect_reason: string | null;
  readonly clock_skew_ms: number | null;
  readonly instance: InventoryInstance | null;
}

const parse = <T>(json: string): T => JSON.parse(json) as T;

export const offersOf = (row: Pick<DeviceRow, 'offered_json'>): readonly CapabilityOffer[] =>
  parse<CapabilityOffer[]>(row.offered_json);
export const namesOf = (json: string): ReadonlySet<string> => new Set(parse<string[]>(json));

function capabilitiesOf(row: DeviceRow): InventoryCapability[] {
  const granted = namesOf(row.granted_json);
  const withdrawn = namesOf(row.withdrawn_json);
  return offersOf(row).map((offer) => {
    const state = withdrawn.has(offer.name) ? 'withdrawn' : granted.has(offer.name) ? 'granted' : 'unapproved';
    return { ...offer, available: offer.available && state === 'granted', state };
  });
}

export interface LiveFacts {
  readonly presence: Presence;
  readonly degradedReason: string | null;
  readonly lastSeenAtUnixMs: number | null;
  readonly clockSkewMs: number | null;
  readonly session: NodeSessionRow | null;
}

interface InstanceJson {
  readonly pid?: number;
  readonly palyra_version?: string;
  readonly started_at_unix_ms?: number;
}

function instanceOf(session: NodeSessionRow): InventoryInstance {
  const instance = parse<InstanceJson>(session.instance_json);
  return {
    session_id: session.session_id,
    boot_id: session.boot_id,
    pid: instance.pid ?? 0,
    remote_address: session.remote_address,
    palyra_version: instance.palyra_version ?? '',
    started_at_unix_ms: instance.started_at_unix_ms ?? 0,
    connected_at_unix_ms: session.connected_at_unix_ms,
  };
}

export function inventoryRecord(row: DeviceRow, live: LiveFacts): InventoryDeviceRecord {
  const capabilities = capabilitiesOf(row);
  const available = capabilities.filter((capability) => capability.available).length;
  return {
    device_id: row.device_id,
    name: row.name,
    trust: row.trust,
    trust_reason: row.trust_reason,
    presence: live.presence,
    degraded_reason: live.degradedReason,
    platform: row.platform,
    arch: row.arch,
    os_version: row.os_version,
    palyra_version: row.palyra_version,
    hostname: row.hostname,
    labels: parse<Record<string, string>>(row.labels_json),
    capabilities,
    capability_summary: { total: capabilities.length, available, unavailable: capabilities.length - available },
    key_sha256: row.spki_sha256,
    created_at_unix_ms: row.created_at_unix_ms,
    paired_at_unix_ms: row.paired_at_unix_ms,
    last_seen_at_unix_ms: live.lastSeenAtUnixMs ?? row.last_seen_at_unix_ms,
    last_disconnected_at_unix_ms: row.last_disconnected_at_unix_ms,
    last_disconnect_reason: live.session === null ? row.last_disconnect_reason : null,
    clock_skew_ms: live.clockSkewMs,
    instance: live.session === null ? null : instanceOf(live.session),
  };
}
