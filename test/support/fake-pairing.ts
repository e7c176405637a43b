import type { Actor, Page } from '../../src/dispatch/types.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import { PalyraError } from '../../src/kernel/errors.ts';
import type { DeviceId } from '../../src/kernel/ids.ts';
import type { CodeOrder, CodeRecord, MintedCode, PairingPort, PairingRecord } from '../../src/operator/ports.ts';
import type { PairingState } from '../../src/store/schema.ts';

const pageOf = <T>(rows: readonly T[], cursor: string | null, limit: number): Page<T> => {
  const from = Number(cursor ?? 0);
  const page = rows.slice(from, from + limit);
  return { rows: page, nextCursor: from + limit < rows.length ? String(from + limit) : null };
};

/** The pairing room as the operator edge sees it, in memory. */
export class FakePairing implements PairingPort {
  readonly #clock: Clock;
  readonly codes: CodeRecord[] = [];
  readonly requests: PairingRecord[] = [];
  readonly decisions: { readonly requestId: string; readonly grant: readonly string[]; readonly by: string }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(fields: Partial<PairingRecord> = {}): PairingRecord {
    const now = this.#clock.now();
    const request: PairingRecord = {
      requestId: `01K8ZJ4Q2N7M5W3V1T9R6P8X${String(this.requests.length).padStart(2, '0')}`,
      approvalId: '01K8ZJ4Q2N7M5W3V1T9R6P8XAP',
      deviceId: '01K8ZJ4Q2N7M5W3V1T9R6P8XDE' as DeviceId,
      state: 'pending_approval',
      name: 'web-9',
      shortString: '123456',
      knownKey: false,
      platform: 'linux',
      arch: 'x64',
      osVersion: '6.18',
      palyraVersion: '0.1.0',
      hostname: 'web-9.example',
      sourceAddress: '192.0.2.7',
      identityFingerprint: 'ab'.repeat(32),
      requestedCapabilities: ['echo', 'filesystem.read', 'shell.execute'],
      grantableCapabilities: ['echo', 'filesystem.read'],
      grantedCapabilities: null,
      codeId: 'c1',
      codeKind: 'pin',
      codeCreatedBy: 'operator:abc',
      codeCreatedAtUnixMs: now,
      createdAtUnixMs: now,
      expiresAtUnixMs: now + 3_600_000,
      decidedAtUnixMs: null,
      decidedBy: null,
      reason: null,
      completedAtUnixMs: null,
      ...fields,
    };
    this.requests.unshift(request);
    return request;
  }

  async mintPin(order: CodeOrder, actor: Actor): Promise<MintedCode> {
    const now = this.#clock.now();
    const codeId = `c${this.codes.length + 1}`;
    const expiresAtUnixMs = now + (order.ttlMs ?? 600_000);
    this.codes.push({
      codeId,
      kind: 'pin',
      triesLeft: 5,
      usesLeft: 1,
      expiresAtUnixMs,
      createdAtUnixMs: now,
      createdBy: actor.id,
      name: order.name ?? null,
      labels: order.labels ?? {},
      capabilities: order.capabilities ?? null,
    });
    return { codeId, pin: '1234567890', expiresAtUnixMs };
  }

  async listCodes(cursor: string | null, limit: number): Promise<Page<CodeRecord>> {
    return pageOf(this.codes, cursor, limit);
  }

  async revokeCode(codeId: string): Promise<void> {
    const at = this.codes.findIndex((code) => code.codeId === codeId);
    if (at < 0) throw new PalyraError('not_found', `no code has the id ${codeId}`);
    this.codes.splice(at, 1);
  }

  async listRequests(
    { state }: { readonly state?: PairingState },
    cursor: string | null,
    limit: number,
  ): Promise<Page<PairingRecord>> {
    const rows = this.requests.filter((request) => state === undefined || request.state === state);
    return pageOf(rows, cursor, limit);
  }

  async showRequest(reference: string): Promise<PairingRecord> {
    const found = this.requests.find(
      ({ requestId, name }) => requestId.startsWith(reference.toUpperCase()) || name === reference,
    );
    if (found === undefined) {
      throw new PalyraError('pairing_request_not_found', `no pairing request is called ${reference}`, {
        hint: 'palyra pairing list',
      });
    }
    return found;
  }

  async approve(requestId: string, grant: readonly string[], actor: Actor, reason: string | null) {
    this.decisions.push({ requestId, grant, by: actor.id });
    return this.#decide(requestId, { state: 'approved', grantedCapabilities: grant, decidedBy: actor.id, reason });
  }

  async reject(requestId: string, actor: Actor, reason: string | null): Promise<PairingRecord> {
    return this.#decide(requestId, { state: 'rejected', decidedBy: actor.id, reason });
  }

  async #decide(requestId: string, change: Partial<PairingRecord>): Promise<PairingRecord> {
    const at = this.requests.findIndex((request) => request.requestId === requestId);
    const before = this.requests[at];
    if (before === undefined) throw new PalyraError('pairing_request_not_found', requestId);
    if (before.state !== 'pending_approval') throw new PalyraError('pairing_request_closed', `${requestId} has ended`);
    const after = { ...before, ...change, decidedAtUnixMs: this.#clock.now() };
    this.requests[at] = after;
    return after;
  }
}
