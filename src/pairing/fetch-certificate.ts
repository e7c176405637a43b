import { issuedRow } from '../identity/sign-device-certificate.ts';
import { PalyraError } from '../kernel/errors.ts';
import { certificateByFingerprint, insertCertificate } from '../store/certificates.ts';
import { deviceById } from '../store/device-directory.ts';
import { changeGrant, deviceBySpki, insertDevice, noteGeneration } from '../store/devices.ts';
import { notePairingCertificate, openPairingRequestsByKey, pairingRequestById } from '../store/pairing-requests.ts';
import type { CertificateRow, DeviceRow, PairingRequestRow, Trust } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';
import { readCsr } from '../x509/csr.ts';
import { readConstraints } from './constraints.ts';
import { expireRequest } from './end-request.ts';
import type { FetchedCertificate, IdentityPort, PairingPorts } from './types.ts';

/** What became of a fetch inside its transaction. */
type Fate =
  | { readonly row: CertificateRow; readonly trust: Trust; readonly ended: readonly PairingRequestRow[] }
  | { readonly lost: true }
  | { readonly refusal: PalyraError };

interface FetchParts extends PairingPorts {
  readonly changed: (requestIds: readonly string[]) => void;
}

/**
 * The certificate of an approved request whose key was proven; the same one however often and from wherever it is asked
 * for: each caller signs first, and the one whose update counts is everybody's. Errors: conflict (not decided),
 * pairing_rejected, approval_expired, pairing_request_closed, device_revoked, device_suspended, device_removed,
 * clock_skew.
 */
export async function fetchCertificate(parts: FetchParts, request: PairingRequestRow): Promise<FetchedCertificate> {
  const { store, identity, clock, changed } = parts;
  if (request.state !== 'approved') throw notApproved(request);
  const before = await storedCertificate(parts, request);
  if (before !== undefined) return before;
  const csr = readCsr(request.csr_der);
  const signed = await identity.signDeviceCertificate(csr.spki, request.device_id);
  const now = clock.now();
  const fate = await store.write((tx) =>
    enrol(tx, parts, request, (generation) =>
      issuedRow(signed, { deviceId: request.device_id, generation, csrSha256: csr.csrSha256, nowUnixMs: now }),
    ),
  );
  if ('refusal' in fate) throw fate.refusal;
  if ('lost' in fate) {
    const current = await pairingRequestById(store.reader, request.request_id);
    if (current?.state !== 'approved') throw notApproved(current ?? request);
    const winner = await storedCertificate(parts, current);
    if (winner === undefined) throw notApproved({ ...current, state: 'expired' });
    return winner;
  }
  identity.forget(fate.ended.flatMap(({ certificate_fingerprint: fingerprint }) => fingerprint ?? []));
  identity.remember(request.device_id, fate.trust, fate.row);
  changed(fate.ended.map(({ request_id }) => request_id));
  return certificateView(identity, fate.row);
}

/** Stores the certificate with its device in one transaction; the device may call RegisterNode and nothing else. */
async function enrol(
  tx: Tx,
  { audit, clock }: FetchParts,
  request: PairingRequestRow,
  certificate: (generation: number) => CertificateRow,
): Promise<Fate> {
  const now = clock.now();
  const ended: PairingRequestRow[] = [];
  // The key is proven: what this machine asked for before it asked again is over, and lets go of the key.
  for (const other of await openPairingRequestsByKey(tx, request.spki_sha256)) {
    if (other.request_id >= request.request_id) continue;
    if (await expireRequest(tx, audit, other, 'the machine went on with a newer request', now)) ended.push(other);
  }
  const owner = await deviceBySpki(tx, request.spki_sha256);
  const device = owner ?? (await deviceById(tx, request.device_id));
  if (device !== undefined && device.device_id !== request.device_id) {
    return { refusal: closedBy(`its key belongs to device ${device.device_id} by now`, request) };
  }
  if (device?.trust === 'revoked' || device?.trust === 'suspended' || device?.trust === 'removed') {
    return { refusal: new PalyraError(`device_${device.trust}`, `this device was ${device.trust} by an operator`) };
  }
  const generation = (device?.generation ?? 0) + 1;
  const row = certificate(generation);
  if (!(await notePairingCertificate(tx, request.request_id, row.fingerprint))) return { lost: true };
  if (device === undefined) await insertDevice(tx, deviceRow(request, generation, now));
  else {
    await noteGeneration(tx, device.device_id, device.generation);
    await changeGrant(tx, device.device_id, request.granted_json ?? '[]');
  }
  await insertCertificate(tx, row);
  await audit(tx, {
    actor: `device:${request.device_id}`,
    source: request.source_address,
    action: 'certificate.issued',
    subject: request.device_id,
    deviceId: request.device_id,
    outcome: 'issued',
    details: { pairing_request_id: request.request_id, fingerprint: row.fingerprint, serial: row.serial, generation },
  });
  return { row, trust: device?.trust ?? 'enrolling', ended };
}

async function storedCertificate(
  parts: FetchParts,
  { certificate_fingerprint: fingerprint }: PairingRequestRow,
): Promise<FetchedCertificate | undefined> {
  if (fingerprint === null) return undefined;
  const row = await certificateByFingerprint(parts.store.reader, fingerprint);
  return row === undefined || row.state === 'revoked' ? undefined : certificateView(parts.identity, row);
}

/** A stored certificate as its device gets it. */
export function certificateView(identity: IdentityPort, row: CertificateRow): FetchedCertificate {
  return {
    deviceId: row.device_id,
    chainDer: [row.certificate_der, identity.caCertificate.raw],
    bundleDer: identity.caBundleDer(),
    notAfterUnixMs: row.not_after_unix_ms,
    renewAfterUnixMs: identity.renewAfterUnixMs(row.not_before_unix_ms, row.not_after_unix_ms),
  };
}

const deviceRow = (request: PairingRequestRow, generation: number, now: number): DeviceRow => ({
  device_id: request.device_id,
  name: request.name,
  trust: 'enrolling',
  trust_reason: null,
  trust_changed_at_unix_ms: now,
  spki_sha256: request.spki_sha256,
  generation,
  platform: request.platform,
  arch: request.arch,
  os_version: request.os_version,
  palyra_version: request.palyra_version,
  hostname: request.hostname,
  labels_json: JSON.stringify(readConstraints(request.constraints_json).labels ?? {}),
  granted_json: request.granted_json ?? '[]',
  withdrawn_json: '[]',
  offered_json: JSON.stringify([]),
  pairing_request_id: request.request_id,
  created_at_unix_ms: now,
  paired_at_unix_ms: null,
  last_seen_at_unix_ms: null,
  last_disconnected_at_unix_ms: null,
  last_disconnect_reason: null,
  seen_tokens_json: '[]',
  conflict_json: null,
});

function notApproved(request: PairingRequestRow): PalyraError {
  switch (request.state) {
    case 'pending_approval':
      return new PalyraError('conflict', `pairing request ${request.request_id} waits for an approver`);
    case 'rejected':
      return new PalyraError('pairing_rejected', `pairing request ${request.request_id} was refused`);
    case 'expired':
      return new PalyraError('approval_expired', `pairing request ${request.request_id} is over`, {
        hint: 'pair again with a new code: `palyra pairing code`',
      });
    case 'approved':
    case 'completed':
      return closedBy('its certificate was fetched and has ended or is in use', request);
  }
}

const closedBy = (why: string, { request_id: id }: PairingRequestRow): PalyraError =>
  new PalyraError('pairing_request_closed', `pairing request ${id} is over: ${why}`, {
    hint: 'pair again with a new code: `palyra pairing code`',
  });
