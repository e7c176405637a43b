import type { PairingRequestView } from '../wire/views.ts';
import { age, until } from './age.ts';
import type { Column } from './table.ts';

/** The table of `pairing list`; `now` in ms since the epoch. */
export const pairingColumns = (now: number): readonly Column<PairingRequestView>[] => [
  { head: 'REQUEST', whole: true, cell: ({ request_id: requestId }) => requestId },
  {
    head: 'STATE',
    whole: true,
    cell: ({ state }) => state,
    colour: ({ state }) => (state === 'pending_approval' ? 'yellow' : undefined),
  },
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'STRING', whole: true, cell: ({ short_string: shortString }) => shortString },
  { head: 'PLATFORM', cell: ({ platform, arch }) => `${platform}/${arch}` },
  { head: 'FROM', cell: ({ source_address: source }) => source },
  { head: 'AGE', cell: ({ created_at_unix_ms: created }) => age(created, now) },
];

const names = (capabilities: readonly string[] | null): string | null =>
  capabilities === null ? null : capabilities.join(', ') || 'nothing';

/** What `pairing show` tells, the things to compare first. */
export const pairingFacts = (
  request: PairingRequestView,
  now: number,
): readonly (readonly [string, string | number | null | undefined])[] => [
  ['request', request.request_id],
  ['state', request.state],
  ['short string', `${request.short_string} (the machine shows the same)`],
  ['name', request.name],
  ['host name', request.hostname],
  ['platform', `${request.platform}/${request.arch} ${request.os_version}`],
  ['version', request.palyra_version],
  ['address', request.source_address],
  ['key', request.identity_fingerprint],
  ['known key', request.known_key ? `yes: it was enrolled before as ${request.device_id}` : 'no'],
  ['code', `${request.code_kind} of ${request.code_created_by}, ${age(request.code_created_at_unix_ms, now)} ago`],
  ['asks for', names(request.requested_capabilities)],
  ['may be granted', request.granted_capabilities === null ? names(request.grantable_capabilities) : null],
  ['granted', names(request.granted_capabilities)],
  ['asked', `${age(request.created_at_unix_ms, now)} ago`],
  ['decide', request.decided_at_unix_ms === null ? until(request.expires_at_unix_ms, now) : null],
  ['decided', request.decided_at_unix_ms === null ? null : `${age(request.decided_at_unix_ms, now)} ago`],
  ['decided by', request.decided_by],
  ['reason', request.reason],
];
