import { join } from 'node:path';
import type { Actor, Page } from '../dispatch/types.ts';
import { ensurePrivateDir } from '../kernel/files.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { PairingRequestRow, PairingState } from '../store/schema.ts';
import type { ProvenCall } from '../x509/proof.ts';
import { Challenges } from './challenges.ts';
import { Codes } from './codes.ts';
import { ExchangeThread } from './exchange-thread.ts';
import { FakeCodes } from './fake-codes.ts';
import { fetchCertificate } from './fetch-certificate.ts';
import { Handshake } from './handshake.ts';
import { openPairingKeys, type PairingKeys } from './pairing-secret.ts';
import { PAIRING_RATES, type PairingRates } from './rate-limits.ts';
import { Recovery } from './recover-certificate.ts';
import { RequestProofs } from './request-proofs.ts';
import { Requests } from './requests.ts';
import { Sessions } from './sessions.ts';
import type {
  BeginOrder,
  BegunSession,
  Caller,
  CodeOrder,
  CodeRecord,
  CompletedPairing,
  CompleteOrder,
  ExchangeAnswer,
  FetchedCertificate,
  MintedCode,
  MintedToken,
  PairingPorts,
  PairingRecord,
  RecoveryOrder,
  RecoveryOutcome,
  RequestProof,
  RequestStatus,
  TokenOrder,
} from './types.ts';
import { Watchers } from './watchers.ts';

export interface PairingOptions extends PairingPorts {
  /** The daemon's folder, `<home>/daemon`. */
  readonly home: string;
  /** PAIRING_RATES when absent. */
  readonly rates?: PairingRates;
  /** How long a request waits for a decision, ms; LIMITS.pairingRequestMs when absent. */
  readonly requestMs?: number;
}

/** How a machine becomes a device: codes, the handshake, the decision of an approver, the first certificate. */
export class Pairing {
  readonly #options: PairingOptions;
  readonly #codes: Codes;
  readonly #sessions: Sessions;
  readonly #thread: ExchangeThread;
  readonly #handshake: Handshake;
  readonly #requests: Requests;
  readonly #challenges: Challenges;
  readonly #proofs: RequestProofs;
  readonly #recovery: Recovery;
  readonly #watchers = new Watchers();

  private constructor(options: PairingOptions, keys: PairingKeys) {
    const { clock, identity, rates = PAIRING_RATES, requestMs = LIMITS.pairingRequestMs } = options;
    this.#options = options;
    this.#thread = new ExchangeThread(clock);
    this.#codes = new Codes(options);
    this.#sessions = new Sessions(clock);
    this.#requests = new Requests({ ...options, changed: this.#changed });
    this.#challenges = new Challenges(keys.challenge, clock);
    this.#proofs = new RequestProofs(this.#challenges, () => identity.caSha256);
    this.#recovery = new Recovery({ ...options, challenges: this.#challenges, requestMs, changed: this.#changed });
    this.#handshake = new Handshake({
      ...options,
      sessions: this.#sessions,
      fakes: new FakeCodes(keys.fakeSalt, clock),
      thread: this.#thread,
      rates,
      requestMs,
      changed: this.#changed,
    });
  }

  /** Reads or makes the secret file, and ends what ran out meanwhile. Errors: credential_unsafe, credential_damaged. */
  static async open(options: PairingOptions): Promise<Pairing> {
    ensurePrivateDir(options.home);
    const pairing = new Pairing(options, await openPairingKeys(join(options.home, 'pairing-secret')));
    await pairing.#requests.arm();
    return pairing;
  }

  async close(): Promise<void> {
    await this.#requests.close();
    this.#sessions.clear();
    await this.#thread.close();
  }

  // For operators.

  /** Errors: too_many_codes, invalid_argument. */
  mintPin(order: CodeOrder, actor: Actor): Promise<MintedCode> {
    return this.#codes.mintPin(order, actor);
  }

  /** Errors: invalid_argument. */
  mintToken(order: TokenOrder, actor: Actor): Promise<MintedToken> {
    return this.#codes.mintToken(order, actor);
  }

  listCodes(cursor: string | null, limit: number): Promise<Page<CodeRecord>> {
    return this.#codes.list(cursor, limit);
  }

  /** Errors: not_found. */
  revokeCode(codeId: string, actor: Actor): Promise<void> {
    return this.#codes.revoke(codeId, actor);
  }

  listRequests(
    filter: { readonly state?: PairingState },
    cursor: string | null,
    limit: number,
  ): Promise<Page<PairingRecord>> {
    return this.#requests.list(filter, cursor, limit);
  }

  /** Errors: pairing_request_not_found, ambiguous_name. */
  showRequest(reference: string): Promise<PairingRecord> {
    return this.#requests.show(reference);
  }

  /**
   * Grants exactly these capabilities. The same decision again answers as before. Errors: pairing_request_not_found,
   * pairing_request_closed, approval_already_decided, invalid_argument (a capability that is not grantable).
   */
  approve(requestId: string, grant: readonly string[], actor: Actor, reason: string | null): Promise<PairingRecord> {
    return this.#requests.decide(requestId, { verb: 'approve', grant }, actor, reason);
  }

  /** Errors: pairing_request_not_found, pairing_request_closed, approval_already_decided. */
  reject(requestId: string, actor: Actor, reason: string | null): Promise<PairingRecord> {
    return this.#requests.decide(requestId, { verb: 'reject' }, actor, reason);
  }

  /** Takes an approval back until the machine has registered. Errors: pairing_request_not_found, pairing_request_closed. */
  withdraw(requestId: string, actor: Actor, reason: string | null): Promise<PairingRecord> {
    return this.#requests.decide(requestId, { verb: 'withdraw' }, actor, reason);
  }

  // For machines, of whom nothing is known.

  begin(order: BeginOrder, caller: Caller): Promise<BegunSession> {
    return this.#handshake.begin(order, caller);
  }

  exchange(sessionId: string, shareP: Buffer, caller: Caller): Promise<ExchangeAnswer> {
    return this.#handshake.exchange(sessionId, shareP, caller);
  }

  complete(order: CompleteOrder, caller: Caller): Promise<CompletedPairing> {
    return this.#handshake.complete(order, caller);
  }

  /** The CA that machines are shown: what the handshake binds. */
  get caChainDer(): readonly Buffer[] {
    return [this.#options.identity.caCertificate.raw];
  }

  /** For a request or device, also one that does not exist. */
  challenge(subject: string): Buffer {
    return this.#challenges.issue(subject);
  }

  /** Errors: pairing_proof_invalid. */
  async status(proof: RequestProof): Promise<RequestStatus> {
    return this.#status('GetPairingRequestStatus', proof);
  }

  /**
   * The state of a request, and each later one as it comes, until one that is decided; the returned function ends that.
   * `failed` is told when the store fails. Errors: pairing_proof_invalid, too_many_requests.
   */
  async watch(
    proof: RequestProof,
    told: (status: RequestStatus) => void,
    failed: (cause: unknown) => void,
  ): Promise<() => void> {
    const first = await this.#status('WatchPairingRequest', proof);
    told(first);
    let last = first.state;
    const look = async (): Promise<void> => {
      const row = await this.#requests.current(proof.requestId);
      if (row === undefined || row.state === last) return;
      last = row.state;
      told(this.#statusOf(row));
    };
    const stop = this.#watchers.add(proof.requestId, () => void look().catch(failed));
    // What was decided between the first look and now.
    await look().catch((cause: unknown) => {
      stop();
      throw cause;
    });
    return stop;
  }

  /** Errors: pairing_proof_invalid, and those of `fetchCertificate`. */
  async fetch(proof: RequestProof): Promise<FetchedCertificate> {
    const row = this.#proofs.check('FetchDeviceCertificate', await this.#requests.current(proof.requestId), proof);
    return fetchCertificate({ ...this.#options, changed: this.#changed }, row);
  }

  /** Errors: see `Recovery`. */
  recover(order: RecoveryOrder, caller: Caller): Promise<RecoveryOutcome> {
    return this.#recovery.recover(order, caller);
  }

  async #status(call: ProvenCall, proof: RequestProof): Promise<RequestStatus> {
    return this.#statusOf(this.#proofs.check(call, await this.#requests.current(proof.requestId), proof));
  }

  #statusOf(row: PairingRequestRow): RequestStatus {
    return {
      state: row.state,
      reason: row.reason,
      decidedAtUnixMs: row.decided_at_unix_ms,
      deviceId: row.device_id,
      challenge: this.#challenges.issue(row.request_id),
    };
  }

  #changed = (requestIds: readonly string[]): void => {
    if (requestIds.length === 0) return;
    this.#watchers.tell(requestIds);
    void this.#requests.arm();
  };
}
