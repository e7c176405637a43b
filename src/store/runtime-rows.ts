// The records of node-runtime.v1.json, read in pages small enough that each holds the loop for a few milliseconds.
import { openRequests } from './capability-requests.ts';
import { listDevices } from './device-directory.ts';
import type { PersistedNode, PersistedPairingRequest } from './runtime-state.ts';
import type { ApprovalRow, CapabilityRequestRow, PairingCodeRow, PairingRequestRow, Trust } from './schema.ts';
import type { Executor } from './store.ts';

const PAGE_ROWS = 32;
/** They carry their input, which may be large. */
const PAGE_REQUESTS = 8;
const EVERY_TRUST: readonly Trust[] = ['enrolling', 'trusted', 'suspended', 'revoked', 'removed'];

/** Rows page by page: `read` gets the key of the last one and returns at most `size`. */
async function* pages<Row, Key>(
  read: (after: Key | null) => Promise<Row[]>,
  keyOf: (row: Row) => Key,
  size = PAGE_ROWS,
) {
  let after: Key | null = null;
  for (;;) {
    const rows: Row[] = await read(after);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    if (rows.length < size) return;
    after = keyOf(last);
  }
}

/** Codes that can still be used. */
export async function* persistedCodes(db: Executor, nowUnixMs: number): AsyncGenerator<PairingCodeRow[]> {
  const read = (after: string | null) => {
    const rows = db.selectFrom('pairing_codes').selectAll().where('expires_at_unix_ms', '>', nowUnixMs);
    const rest = after === null ? rows : rows.where('code_id', '>', after);
    return rest.orderBy('code_id').limit(PAGE_ROWS).execute();
  };
  yield* pages(read, ({ code_id }) => code_id);
}

/** Pairing requests that wait for a decision or for their machine. */
export async function* persistedPairings(db: Executor): AsyncGenerator<PersistedPairingRequest[]> {
  const read = (after: string | null) => {
    const rows = db.selectFrom('pairing_requests').selectAll().where('state', 'in', ['pending_approval', 'approved']);
    const rest = after === null ? rows : rows.where('request_id', '>', after);
    return rest.orderBy('request_id').limit(PAGE_ROWS).execute();
  };
  for await (const rows of pages<PairingRequestRow, string>(read, ({ request_id }) => request_id)) {
    const ids = rows.map(({ approval_id }) => approval_id);
    const approvals = await db.selectFrom('approvals').selectAll().where('approval_id', 'in', ids).execute();
    const byId = new Map<string, ApprovalRow>(approvals.map((row) => [row.approval_id, row]));
    yield rows.map((row) => ({ ...row, approval: byId.get(row.approval_id) ?? null }));
  }
}

/** Every device, also those that were removed or revoked: what was ended stays ended. */
export async function* persistedNodes(db: Executor): AsyncGenerator<PersistedNode[]> {
  const read = (after: PersistedNode['device_id'] | null) => listDevices(db, { trust: EVERY_TRUST }, after, PAGE_ROWS);
  for await (const devices of pages(read, ({ device_id }) => device_id)) {
    const ids = devices.map(({ device_id }) => device_id);
    const certificates = Map.groupBy(
      await db.selectFrom('certificates').selectAll().where('device_id', 'in', ids).orderBy('generation').execute(),
      ({ device_id }) => device_id,
    );
    const sessions = await db.selectFrom('node_sessions').selectAll().where('device_id', 'in', ids).execute();
    const sessionOf = new Map(sessions.map((row) => [row.device_id, row]));
    yield devices.map((device) => ({
      ...device,
      certificates: certificates.get(device.device_id) ?? [],
      session: sessionOf.get(device.device_id) ?? null,
    }));
  }
}

export async function* persistedRequests(db: Executor): AsyncGenerator<CapabilityRequestRow[]> {
  yield* pages(
    (after: CapabilityRequestRow['request_id'] | null) => openRequests(db, after, PAGE_REQUESTS),
    ({ request_id }) => request_id,
    PAGE_REQUESTS,
  );
}
