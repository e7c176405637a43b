import type { CapabilityView, NodeView, Presence } from '../wire/views.ts';
import { age } from './age.ts';
import type { Colour, Column } from './table.ts';

const COLOURS: Readonly<Record<Presence, Colour>> = {
  online: 'green',
  stale: 'yellow',
  degraded: 'yellow',
  offline: 'dim',
};

/** The table of `nodes list`; `now` in ms since the epoch. */
export const nodeColumns = (now: number): readonly Column<NodeView>[] => [
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'PRESENCE', whole: true, cell: ({ presence }) => presence, colour: ({ presence }) => COLOURS[presence] },
  {
    head: 'TRUST',
    whole: true,
    cell: ({ trust }) => trust,
    colour: ({ trust }) => (trust === 'trusted' ? undefined : 'red'),
  },
  { head: 'PLATFORM', cell: ({ platform, arch }) => `${platform}/${arch}` },
  {
    head: 'CAPABILITIES',
    cell: ({ capability_summary: { available, total } }) => `${available}/${total}`,
  },
  {
    head: 'SEEN',
    cell: ({ instance, last_seen_at_unix_ms: seen }) => (instance === null ? age(seen, now) : 'now'),
  },
  { head: 'DEVICE ID', whole: true, cell: ({ device_id: deviceId }) => deviceId },
];

/** What `nodes describe` tells. */
export const nodeFacts = (
  node: NodeView,
  now: number,
): readonly (readonly [string, string | number | null | undefined])[] => [
  ['name', node.name],
  ['device id', node.device_id],
  ['presence', node.degraded_reason === null ? node.presence : `${node.presence}: ${node.degraded_reason}`],
  ['trust', node.trust_reason === null ? node.trust : `${node.trust}: ${node.trust_reason}`],
  ['platform', `${node.platform}/${node.arch} ${node.os_version}`],
  ['host name', node.hostname],
  ['version', node.palyra_version],
  ['address', node.instance?.remote_address],
  ['connected for', node.instance === null ? null : age(node.instance.connected_at_unix_ms, now)],
  ['last seen', node.instance !== null ? null : `${age(node.last_seen_at_unix_ms, now)} ago`],
  ['last disconnect', node.last_disconnect_reason],
  ['paired', node.paired_at_unix_ms === null ? null : `${age(node.paired_at_unix_ms, now)} ago`],
  ['key', node.key_sha256],
  ['clock', skew(node.clock_skew_ms)],
  [
    'labels',
    Object.entries(node.labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(', '),
  ],
  ...node.capabilities.map((capability) => ['capability', capabilityText(capability)] as const),
];

function capabilityText({ name, available, state, unavailable_reason: reason }: CapabilityView): string {
  if (available) return name;
  const why = state === 'granted' ? 'unavailable' : state;
  return `${name} (${why}${reason === null ? '' : `: ${reason}`})`;
}

const SKEW_SHOWN_MS = 5_000;

/** Told only where it could matter. */
const skew = (ms: number | null): string | null =>
  ms === null || Math.abs(ms) < SKEW_SHOWN_MS ? null : `${Math.round(ms / 1000)} s ${ms > 0 ? 'ahead' : 'behind'}`;
