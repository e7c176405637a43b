import type { Page } from '../dispatch/types.ts';
import { PalyraError } from '../kernel/errors.ts';
import { isUlid } from '../kernel/is-ulid.ts';
import {
  listPairingRequests,
  openPairingRequestsByName,
  pairingRequestById,
  pairingRequestsByPrefix,
} from '../store/pairing-requests.ts';
import type { PairingRequestRow, PairingState } from '../store/schema.ts';
import type { Executor } from '../store/store.ts';

/** Enough to say that a reference is ambiguous. */
const CANDIDATES = 10;
const ULID_START = /^[0-7][0-9A-HJKMNP-TV-Z]{0,25}$/;

/** One page, the newest first. */
export async function pageOfRequests(
  db: Executor,
  filter: { readonly state?: PairingState },
  cursor: string | null,
  limit: number,
): Promise<Page<PairingRequestRow>> {
  const rows = await listPairingRequests(db, filter, cursor, limit + 1);
  const page = rows.slice(0, limit);
  return { rows: page, nextCursor: rows.length > limit ? (page.at(-1)?.request_id ?? null) : null };
}

/**
 * A request by its id, a unique prefix of it, or the name of the one open request.
 * Errors: pairing_request_not_found; ambiguous_name with `details.candidates`.
 */
export async function resolveRequest(db: Executor, reference: string): Promise<PairingRequestRow> {
  const upper = reference.toUpperCase();
  if (isUlid(upper)) {
    const row = await pairingRequestById(db, upper);
    if (row !== undefined) return row;
  }
  const named = await openPairingRequestsByName(db, reference, CANDIDATES);
  const prefixed =
    named.length === 0 && ULID_START.test(upper) ? await pairingRequestsByPrefix(db, upper, CANDIDATES) : [];
  const found = named.length > 0 ? named : prefixed;
  const [first] = found;
  if (first === undefined) throw requestNotFound(reference);
  if (found.length === 1) return first;
  throw new PalyraError('ambiguous_name', `several pairing requests fit ${JSON.stringify(reference)}`, {
    hint: `name one by its id: ${found.map(({ request_id }) => request_id).join(', ')}`,
    details: { candidates: found.map(({ request_id, name }) => ({ request_id, name })) },
  });
}

export const requestNotFound = (reference: string): PalyraError =>
  new PalyraError('pairing_request_not_found', `no pairing request is called ${JSON.stringify(reference)}`, {
    hint: 'palyra pairing list',
  });
