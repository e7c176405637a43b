// Fleets as fast-check makes them, put into a store row by row.
import * as fc from 'fast-check';
import { type DeviceId, idMaker, type RequestId, type SessionId } from '../../src/kernel/ids.ts';
import type {
  PersistedNode,
  PersistedNodeRuntimeState,
  PersistedPairingRequest,
} from '../../src/store/runtime-state.ts';
import type { CapabilityRequestRow, PairingCodeRow } from '../../src/store/schema.ts';
import { newDevice } from './identity-home.ts';
import { newApproval, newCode, newPairingRequest, newRequest, newSession } from './store-rows.ts';

const NOW = 1_000_000;
const LATER = 1e12;
const newId = idMaker(() => NOW);

const text = fc.string({ unit: 'binary', maxLength: 20 }).map((one) => one.replaceAll('\0', ''));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((one) => Buffer.from(one));
const json = fc.jsonValue({ maxDepth: 2 }).map((one) => JSON.stringify(one).replaceAll('\\u0000', ''));
const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const maybe = <Value>(of: fc.Arbitrary<Value>) => fc.option(of);
const hex = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((one) => Buffer.from(one).toString('hex'));
const fingerprint = hex(32).map((one) => (one.toUpperCase().match(/../g) ?? []).join(':'));

const node: fc.Arbitrary<PersistedNode> = fc
  .record({
    trust: fc.constantFrom('enrolling', 'trusted', 'suspended', 'revoked', 'removed'),
    trust_reason: maybe(text),
    name: text,
    labels_json: json,
    spki: hex(32),
    paired_at_unix_ms: maybe(time),
    conflict_json: maybe(json),
    certificates: fc.array(
      fc.record({
        fingerprint,
        generation: fc.nat(),
        state: fc.constantFrom('issued', 'current', 'superseded', 'revoked'),
        certificate_der: bytes(300),
        not_after_unix_ms: time,
        superseded_at_unix_ms: maybe(time),
      }),
      { maxLength: 3 },
    ),
    session: maybe(fc.record({ epoch: fc.nat(), ledger_id: text })),
  })
  .map(({ spki, certificates, session, ...fields }) => {
    const id = newId() as DeviceId;
    return {
      ...newDevice(id, fields.name, spki, NOW),
      ...fields,
      certificates: certificates
        .map((one, at) => ({
          ...one,
          device_id: id,
          serial: `${at}`,
          csr_sha256: `${at}`,
          not_before_unix_ms: 0,
          issued_at_unix_ms: 0,
          first_used_at_unix_ms: null,
        }))
        .toSorted((one, other) => one.generation - other.generation || (one.fingerprint < other.fingerprint ? -1 : 1)),
      session:
        session === null
          ? null
          : newSession(id, { ...session, session_id: newId() as SessionId, closed_at_unix_ms: 1 }),
    };
  });

const code: fc.Arbitrary<PairingCodeRow> = fc
  .record({
    kind: fc.constantFrom('pin', 'token'),
    w0: bytes(32),
    l: bytes(65),
    tries_left: fc.nat(5),
    constraints_json: json,
  })
  .map((fields) => newCode(newId(), { ...fields, expires_at_unix_ms: LATER }));

const pairing: fc.Arbitrary<PersistedPairingRequest> = fc
  .record({
    state: fc.constantFrom('pending_approval', 'approved'),
    name: text,
    csr_der: bytes(300),
    granted_json: maybe(json),
  })
  .map((fields) => {
    const id = newId();
    const row = newPairingRequest(id, { ...fields, device_id: newId() as DeviceId, expires_at_unix_ms: LATER });
    return { ...row, approval: newApproval(row.approval_id, { subject_id: id }) };
  });

const request: fc.Arbitrary<CapabilityRequestRow> = fc
  .record({
    state: fc.constantFrom('queued', 'dispatched', 'running'),
    input_json: json,
    stdin: maybe(bytes(500)),
    session_epoch: maybe(fc.nat()),
    ledger_id: maybe(text),
  })
  .map((fields) => newRequest(newId() as RequestId, fields));

const by = <Row>(rows: readonly Row[], key: keyof Row): Record<string, Row> =>
  Object.fromEntries(rows.map((row) => [String(row[key]), row]));

/** A fleet that a database can hold, with what only a clean stop leaves in it. */
export const fleets: fc.Arbitrary<PersistedNodeRuntimeState> = fc
  .record({
    nodes: fc.array(node, { maxLength: 6 }),
    codes: fc.array(code, { maxLength: 3 }),
    pairings: fc.array(pairing, { maxLength: 3 }),
    requests: fc.array(request, { maxLength: 4 }),
  })
  .map(({ nodes, codes, pairings, requests }) => ({
    schema_version: 1,
    daemon_id: 'daemon-1',
    saved_at_unix_ms: NOW,
    active_pairing_codes: by(codes, 'code_id'),
    pairing_requests: by(pairings, 'request_id'),
    nodes: by(nodes, 'device_id'),
    capability_requests: by(requests, 'request_id'),
  }));
