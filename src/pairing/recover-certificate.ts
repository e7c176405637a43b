import { issuedRow } from '../identity/sign-device-certificate.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import { createApproval } from '../store/approvals.ts';
import { certificatesOf, insertCertificate } from '../store/certificates.ts';
import { deviceById } from '../store/device-directory.ts';
import { noteGeneration } from '../store/devices.ts';
import { insertPairingRequest, openPairingRequestsByKey } from '../store/pairing-requests.ts';
import type { CertificateRow, DeviceRow, PairingRequestRow } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';
import { type CsrKey, readCsr } from '../x509/csr.ts';
import { verifyProof } from '../x509/proof.ts';
import type { Challenges } from './challenges.ts';
import { certificateView } from './fetch-certificate.ts';
import { KeyedLimit } from './rate-limits.ts';
import type { Caller, PairingPorts, RecoveryOrder, RecoveryOutcome } from './types.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
const PER_DEVICE = { count: 6, perMs: HOUR };

interface RecoveryParts extends PairingPorts {
  readonly challenges: Challenges;
  readonly requestMs: number;
  readonly changed: (requestIds: readonly string[]) => void;
}

/** Devices that come back after their certificate ran out, with nothing left but their key. */
export class Recovery {
  readonly #parts: RecoveryParts;
  readonly #limit: KeyedLimit;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
    this.#limit = new KeyedLimit('recoveries of this device', PER_DEVICE, parts.clock);
  }

  /**
   * A new certificate for the same key: at once within the grace after the last one ended, by an approver after it.
   * The same request on the same day gets the same certificate. Errors: pairing_proof_invalid, device_revoked,
   * device_suspended, device_removed, device_not_registered, csr_invalid, csr_key_unsupported, too_many_requests.
   */
  async recover(order: RecoveryOrder, caller: Caller): Promise<RecoveryOutcome> {
    const { store, clock, identity, newId, changed } = this.#parts;
    const csr = readCsr(order.csrDer);
    const device = this.#proven(await deviceById(store.reader, order.deviceId), csr, order);
    this.#limit.take(device.device_id);
    const signed = await identity.signDeviceCertificate(csr.spki, device.device_id);
    const now = clock.now();
    const ids = { requestId: newId(), approvalId: newId(), sessionId: newId() };
    const outcome = await store.write(async (tx) => {
      // Read anew: the trust may have gone while it was signed.
      const current = await deviceById(tx, device.device_id);
      const refusal = refusalOf(current);
      if (current === undefined || refusal !== undefined) return { refusal };
      const [newest] = await certificatesOf(tx, current.device_id);
      if (newest !== undefined && sameDay(newest, csr, now)) return { row: newest };
      if (newest !== undefined && newest.not_after_unix_ms + LIMITS.recoveryGraceMs > now) {
        const generation = current.generation + 1;
        const origin = { deviceId: current.device_id, generation, csrSha256: csr.csrSha256, nowUnixMs: now };
        return { row: await this.#issue(tx, current, issuedRow(signed, origin), caller) };
      }
      return { request: await this.#ask(tx, current, order.csrDer, caller, { ...ids, now }) };
    });
    if (outcome.row !== undefined) {
      identity.remember(device.device_id, device.trust, outcome.row);
      return { certificate: certificateView(identity, outcome.row) };
    }
    if (outcome.request === undefined) throw outcome.refusal ?? notProven();
    changed([outcome.request.request_id]);
    return { requestId: outcome.request.request_id, state: outcome.request.state };
  }

  /** Who has not the key of the device learns nothing of it. */
  #proven(device: DeviceRow | undefined, csr: CsrKey, order: RecoveryOrder): DeviceRow {
    const { deviceId, challenge, signature } = order;
    const fresh = this.#parts.challenges.accepts(challenge, deviceId);
    const subject = {
      call: 'RecoverDeviceCertificate' as const,
      subject: deviceId,
      challenge,
      caSha256: this.#parts.identity.caSha256,
      csrSha256: Buffer.from(csr.csrSha256, 'hex'),
    };
    const signed = verifyProof(csr.publicKey, subject, signature);
    if (device?.trust === 'removed' && signed && fresh && device.spki_sha256.startsWith(`${csr.spkiSha256}:`)) {
      throw refusalOf(device) ?? notProven();
    }
    if (device === undefined || !fresh || !signed || device.spki_sha256 !== csr.spkiSha256) throw notProven();
    const refusal = refusalOf(device);
    if (refusal !== undefined) throw refusal;
    return device;
  }

  async #issue(tx: Tx, device: DeviceRow, row: CertificateRow, caller: Caller): Promise<CertificateRow> {
    await noteGeneration(tx, device.device_id, device.generation);
    await insertCertificate(tx, row);
    await this.#parts.audit(tx, {
      actor: `device:${device.device_id}`,
      source: caller.address,
      action: 'certificate.recovered',
      subject: device.device_id,
      deviceId: device.device_id,
      outcome: 'issued',
      details: { fingerprint: row.fingerprint, serial: row.serial, generation: row.generation },
    });
    return row;
  }

  /** Beyond the grace a human decides; the device stays who it is. */
  async #ask(
    tx: Tx,
    device: DeviceRow,
    csrDer: Buffer,
    caller: Caller,
    fresh: {
      readonly requestId: string;
      readonly approvalId: string;
      readonly sessionId: string;
      readonly now: number;
    },
  ): Promise<PairingRequestRow> {
    const [open] = await openPairingRequestsByKey(tx, device.spki_sha256);
    if (open !== undefined) return open;
    const row = recoveryRequest(device, csrDer, caller, {
      ...fresh,
      expiresAtUnixMs: fresh.now + this.#parts.requestMs,
    });
    await insertPairingRequest(tx, row);
    await createApproval(tx, {
      approvalId: row.approval_id,
      subjectType: 'recovery',
      subjectId: row.request_id,
      requestedBy: `device:${device.device_id}`,
      promptJson: JSON.stringify({ name: row.name, source_address: row.source_address, known_key: true }),
      createdAtUnixMs: fresh.now,
      expiresAtUnixMs: row.expires_at_unix_ms,
    });
    await this.#parts.audit(tx, {
      actor: `device:${device.device_id}`,
      source: caller.address,
      action: 'recovery.requested',
      subject: row.request_id,
      deviceId: device.device_id,
      outcome: row.state,
    });
    return row;
  }
}

const sameDay = (row: CertificateRow, csr: CsrKey, now: number): boolean =>
  row.csr_sha256 === csr.csrSha256 &&
  row.state !== 'revoked' &&
  row.not_after_unix_ms > now &&
  Math.floor(row.issued_at_unix_ms / DAY) === Math.floor(now / DAY);

function refusalOf(device: DeviceRow | undefined): PalyraError | undefined {
  switch (device?.trust) {
    case 'trusted':
      return undefined;
    case 'enrolling':
      return new PalyraError('device_not_registered', 'this device has not finished pairing', {
        hint: 'palyra node pair --resume',
      });
    case 'suspended':
    case 'revoked':
    case 'removed':
      return new PalyraError(`device_${device.trust}`, `this device was ${device.trust} by an operator of the daemon`, {
        hint: 'ask who runs the daemon',
      });
    case undefined:
      return notProven();
  }
}

const notProven = (): PalyraError =>
  new PalyraError('pairing_proof_invalid', 'this is not the proof of a device of this daemon', {
    hint: 'pair again with a new code: `palyra node pair <pin>`',
  });

const recoveryRequest = (
  device: DeviceRow,
  csrDer: Buffer,
  caller: Caller,
  fresh: {
    readonly requestId: string;
    readonly approvalId: string;
    readonly sessionId: string;
    readonly now: number;
    readonly expiresAtUnixMs: number;
  },
): PairingRequestRow => ({
  request_id: fresh.requestId,
  // No handshake leads here, and nobody can confirm one of this id.
  session_id: fresh.sessionId,
  code_id: '',
  code_kind: 'pin',
  code_created_by: 'system:recovery',
  code_created_at_unix_ms: fresh.now,
  approval_id: fresh.approvalId,
  device_id: device.device_id as DeviceId,
  state: 'pending_approval',
  known_key: 1,
  name: device.name,
  platform: device.platform,
  arch: device.arch,
  os_version: device.os_version,
  palyra_version: device.palyra_version,
  hostname: device.hostname,
  source_address: caller.address,
  short_string: '',
  csr_der: csrDer,
  spki_sha256: device.spki_sha256,
  confirm_p_sha256: '',
  requested_json: device.granted_json,
  granted_json: null,
  constraints_json: '{}',
  certificate_fingerprint: null,
  created_at_unix_ms: fresh.now,
  expires_at_unix_ms: fresh.expiresAtUnixMs,
  decided_at_unix_ms: null,
  decided_by: null,
  reason: null,
  completed_at_unix_ms: null,
});
