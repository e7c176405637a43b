// The pairing room over a real store and identity in an own folder; only the clock is a stand-in.
import { createHash, type KeyObject, randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { AuditLog } from '../../src/audit/audit-log.ts';
import type { Actor } from '../../src/dispatch/types.ts';
import { LIMITS } from '../../src/kernel/limits.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import { completeRequest } from '../../src/pairing/complete-request.ts';
import { Pairing, type PairingOptions } from '../../src/pairing/pairing.ts';
import type { PairingRates } from '../../src/pairing/rate-limits.ts';
import type {
  Audit,
  BegunSession,
  Caller,
  CompletedPairing,
  CompleteOrder,
  DeviceClaims,
  ExchangeAnswer,
  RequestProof,
} from '../../src/pairing/types.ts';
import { type PairingCode, parseCode } from '../../src/pake/code.ts';
import { pairingNames } from '../../src/pake/context.ts';
import { pinSelectors } from '../../src/pake/pin.ts';
import { sasCommitment, shortString } from '../../src/pake/short-string.ts';
import {
  type PakeScalars,
  type PakeVerifier,
  proverFinish,
  proverShare,
  verifierPoint,
} from '../../src/pake/spake2plus.ts';
import { KDF, stretch } from '../../src/pake/stretch.ts';
import { insertPairingCode } from '../../src/store/pairing-codes.ts';
import { writeCsr } from '../../src/x509/csr.ts';
import { generateP256, sha256 } from '../../src/x509/key-pair.ts';
import { type ProvenCall, signProof } from '../../src/x509/proof.ts';
import { IdentityHome } from './identity-home.ts';

export const APPROVER: Actor = { id: 'operator:op1', name: 'op', source: 'unix' };
export const CALLER: Caller = { address: '192.0.2.7', source: '192.0.2.7' };
export const CLAIMS: DeviceClaims = {
  name: 'web-1',
  platform: 'linux',
  arch: 'x64',
  osVersion: '6.18',
  palyraVersion: '0.1.0',
  hostname: 'web-1.example',
  capabilities: ['echo', 'shell.execute'],
};
const plenty = { count: 1_000_000, perMs: 1 };
const unlimited = { pin: { source: plenty, all: plenty }, token: { source: plenty, all: plenty } };
/** For tests of other limits. */
export const NO_LIMITS: PairingRates = { begin: unlimited, exchange: unlimited };

/** Hashing a code is slow by intent: each is hashed once in a run, and the codes of `pins` share one password. */
class Hashes {
  readonly code = '0000000000';
  readonly salt = Buffer.alloc(16, 7);
  readonly #scalars = new Map<string, Promise<PakeScalars>>();

  scalars(code: string, salt: Buffer): Promise<PakeScalars> {
    const key = `${code} ${salt.toString('hex')}`;
    const known = this.#scalars.get(key) ?? stretch(code, salt);
    this.#scalars.set(key, known);
    return known;
  }

  async verifier(): Promise<PakeVerifier> {
    const { w0, w1 } = await this.scalars(this.code, this.salt);
    return { w0, l: verifierPoint(w1) };
  }
}
const hashes = new Hashes();

type Extra = Partial<Pick<PairingOptions, 'rates' | 'requestMs'>>;

export class PairingHome {
  readonly home: IdentityHome;
  readonly #audit: Audit;
  pairing: Pairing;
  /** The act whose transaction breaks at its end, in place of a crash. */
  failAt: string | undefined;

  private constructor(home: IdentityHome, audit: Audit, pairing: Pairing) {
    this.home = home;
    this.#audit = audit;
    this.pairing = pairing;
  }

  static async make(t: TestContext, extra: Extra = { rates: NO_LIMITS }): Promise<PairingHome> {
    let log: AuditLog | undefined;
    // The room closes before the store that it uses; hooks run in the order in which they were registered.
    const cleanUps: (() => unknown)[] = [];
    const later = { after: (cleanUp: () => unknown) => cleanUps.push(cleanUp) } as unknown as TestContext;
    let made: PairingHome | undefined;
    const audit: Audit = async (tx, entry) => {
      if (entry.action === made?.failAt) throw new Error(`the disk failed at ${entry.action}`);
      await log?.append(tx, entry);
    };
    const home = await IdentityHome.make(later, { audit, onEnrolled: completeRequest(audit) });
    log = new AuditLog({ daemonId: '01BX5ZZKBKACTAV9WEVGEMMVRZ', clock: home.clock });
    const open = new PairingHome(home, audit, await openPairing(home, audit, extra));
    made = open;
    t.after(async () => {
      await open.pairing.close();
      for (const cleanUp of cleanUps) await cleanUp();
    });
    return open;
  }

  /** The daemon ends and starts again over the same home: what was memory is gone. */
  async restart(extra: Extra = { rates: NO_LIMITS }): Promise<void> {
    await this.pairing.close();
    await this.home.restart({ audit: this.#audit, onEnrolled: completeRequest(this.#audit) });
    this.pairing = await openPairing(this.home, this.#audit, extra);
  }

  /** A PIN of an operator. */
  async mintedPin(): Promise<PairingCode> {
    return parseCode((await this.pairing.mintPin({}, APPROVER)).pin);
  }

  /** A live code as good as a minted one, without the time to hash it: see `hashes`. */
  async pin(): Promise<PairingCode> {
    const [code] = await this.pins(1);
    if (code === undefined) throw new Error('no selector is free');
    return code;
  }

  /** Several of them, each under a selector of its own. */
  async pins(count: number): Promise<PairingCode[]> {
    const { store, newId, clock } = this.home;
    const { w0, l } = await hashes.verifier();
    const rows = await store.reader.selectFrom('pairing_codes').select('selector').execute();
    const taken = new Set(rows.map(({ selector }) => selector));
    const selectors = pinSelectors().filter((selector) => !taken.has(selector));
    await store.write(async (tx) => {
      for (const selector of selectors.slice(0, count)) {
        await insertPairingCode(tx, {
          code_id: newId(),
          kind: 'pin',
          selector,
          salt: hashes.salt,
          kdf_log_n: KDF.logN,
          kdf_r: KDF.r,
          kdf_p: KDF.p,
          w0: Buffer.from(w0),
          l: Buffer.from(l),
          tries_left: LIMITS.pairingCodeTries,
          uses_left: 1,
          expires_at_unix_ms: clock.now() + LIMITS.pairingCodeMs,
          created_at_unix_ms: clock.now(),
          created_by: APPROVER.id,
          constraints_json: '{}',
        });
      }
    });
    return selectors
      .slice(0, count)
      .map((selector) => ({ kind: 'pin', code: hashes.code, selector, caSpkiSha256: undefined }));
  }

  async prover(code: PairingCode, fields: Partial<ProverFields> = {}): Promise<TestProver> {
    const key = fields.key ?? (await generateP256());
    return new TestProver(this, code, key, await writeCsr(key), {
      caller: CALLER,
      claims: CLAIMS,
      caSha256: this.home.identity.caSha256,
      ...fields,
    });
  }

  /** A machine that is through the handshake. */
  async requested(fields: Partial<ProverFields> = {}): Promise<{ prover: TestProver; completed: CompletedPairing }> {
    const prover = await this.prover(await this.pin(), fields);
    return { prover, completed: await prover.pair() };
  }
}

function openPairing(home: IdentityHome, audit: Audit, extra: Extra): Promise<Pairing> {
  return Pairing.open({
    store: home.store,
    clock: home.clock,
    log: makeLogger({ level: 'error', component: 'test' }),
    newId: home.newId,
    audit,
    identity: home.identity,
    home: home.daemonHome,
    ...extra,
  });
}

interface ProverFields {
  readonly key: KeyObject;
  readonly caller: Caller;
  readonly claims: DeviceClaims;
  /** What the machine saw as the daemon's CA. */
  readonly caSha256: Buffer;
}

/** The machine's side, step by step, straight into the room. */
export class TestProver {
  readonly key: KeyObject;
  readonly csrDer: Buffer;
  readonly sasNonce = randomBytes(32);
  readonly helloBytes = randomBytes(40);
  readonly clientNonce = randomBytes(16);
  readonly #home: PairingHome;
  readonly #code: PairingCode;
  readonly #fields: Omit<ProverFields, 'key'>;
  begun: BegunSession | undefined;
  confirmP: Buffer | undefined;
  shortString: string | undefined;

  constructor(home: PairingHome, code: PairingCode, key: KeyObject, csrDer: Buffer, fields: Omit<ProverFields, 'key'>) {
    this.#home = home;
    this.#code = code;
    this.key = key;
    this.csrDer = csrDer;
    this.#fields = fields;
  }

  get sessionId(): string {
    return this.begun?.sessionId ?? '';
  }

  async begin(): Promise<BegunSession> {
    this.begun = await this.#home.pairing.begin(
      {
        kind: this.#code.kind,
        selector: this.#code.selector,
        clientNonce: this.clientNonce,
        csrDer: this.csrDer,
        helloHash: sha256(this.helloBytes),
        sasCommit: sasCommitment(this.sasNonce),
      },
      this.#fields.caller,
    );
    return this.begun;
  }

  /** A share that fits no code: costs a try like any other. */
  exchangeAnyhow(): Promise<ExchangeAnswer> {
    const w0 = createHash('sha256').update(randomBytes(8)).digest().fill(0, 0, 1);
    return this.#home.pairing.exchange(this.sessionId, proverShare(w0).shareP, this.#fields.caller);
  }

  /** Throws `pairing_code_invalid` as a real machine does when the daemon does not prove itself. */
  async exchange(): Promise<void> {
    const { sessionId, salt, daemonNonce } = this.begun ?? (await this.begin());
    const scalars = await hashes.scalars(this.#code.code, salt);
    const share = proverShare(scalars.w0);
    const answer = await this.#home.pairing.exchange(sessionId, share.shareP, this.#fields.caller);
    const names = pairingNames({
      kind: this.#code.kind,
      selector: this.#code.selector,
      sessionId,
      salt,
      caSha256: this.#fields.caSha256,
      csrSha256: sha256(this.csrDer),
      helloHash: sha256(this.helloBytes),
      sasCommit: sasCommitment(this.sasNonce),
      daemonNonce,
    });
    const { confirmP, sharedKey } = proverFinish(names, scalars, share, answer.shareV, answer.confirmV);
    this.confirmP = confirmP;
    this.shortString = shortString(sharedKey, this.sasNonce, daemonNonce);
  }

  complete(change: Partial<CompleteOrder> = {}): Promise<CompletedPairing> {
    return this.#home.pairing.complete(
      {
        sessionId: this.sessionId,
        confirmP: this.confirmP ?? Buffer.alloc(32),
        sasNonce: this.sasNonce,
        helloBytes: this.helloBytes,
        claims: this.#fields.claims,
        ...change,
      },
      this.#fields.caller,
    );
  }

  async pair(): Promise<CompletedPairing> {
    await this.begin();
    await this.exchange();
    return this.complete();
  }

  async proof(call: ProvenCall, requestId: string, key = this.key): Promise<RequestProof> {
    const challenge = this.#home.pairing.challenge(requestId);
    const caSha256 = this.#home.home.identity.caSha256;
    const subject = { call, subject: requestId, challenge, caSha256, csrSha256: Buffer.alloc(0) };
    return { requestId, challenge, signature: await signProof(key, subject) };
  }
}
