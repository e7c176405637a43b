import { randomBytes } from 'node:crypto';
import { PalyraError } from '../kernel/errors.ts';
import { idMaker } from '../kernel/ids.ts';
import { lengthPrefixed } from '../kernel/length-prefixed.ts';
import { LIMITS } from '../kernel/limits.ts';
import { type PairingContext, pairingNames } from '../pake/context.ts';
import { opensCommitment, shortString } from '../pake/short-string.ts';
import { confirms } from '../pake/spake2plus.ts';
import { chargeFakeTry, chargeTry, livePairingCode, pairingCodeBySelector } from '../store/pairing-codes.ts';
import { pairingRequestBySession } from '../store/pairing-requests.ts';
import type { PairingRequestRow } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';
import { readCsr } from '../x509/csr.ts';
import { sha256, sha256Hex } from '../x509/key-pair.ts';
import type { ExchangeThread } from './exchange-thread.ts';
import type { FakeCodes } from './fake-codes.ts';
import { openRequest, type Refusal } from './open-request.ts';
import type { PakeKeys } from './pake-messages.ts';
import { type PairingRates, RateLimit } from './rate-limits.ts';
import type { Session, Sessions } from './sessions.ts';
import type {
  BeginOrder,
  BegunSession,
  Caller,
  CompletedPairing,
  CompleteOrder,
  ExchangeAnswer,
  PairingPorts,
} from './types.ts';

const NONCE_BYTES = 32;

interface HandshakeParts extends PairingPorts {
  readonly sessions: Sessions;
  readonly fakes: FakeCodes;
  readonly thread: ExchangeThread;
  readonly rates: PairingRates;
  /** Lifetime of a pairing request that nobody decides, ms. */
  readonly requestMs: number;
  /** Requests that a transaction opened or ended, after it is on disk. */
  readonly changed: (requestIds: readonly string[]) => void;
}

/** The key exchange with a machine that nobody knows (SPAKE2+, RFC 9383), up to its pairing request. */
export class Handshake {
  readonly #parts: HandshakeParts;
  readonly #beginLimits: Readonly<Record<'pin' | 'token', RateLimit>>;
  readonly #exchangeLimits: Readonly<Record<'pin' | 'token', RateLimit>>;

  constructor(parts: HandshakeParts) {
    this.#parts = parts;
    const { rates, clock } = parts;
    const limits = (what: string, { pin, token }: PairingRates['begin']) => ({
      pin: new RateLimit(`${what} with a PIN`, pin, clock),
      token: new RateLimit(`${what} with a token`, token, clock),
    });
    this.#beginLimits = limits('handshakes', rates.begin);
    this.#exchangeLimits = limits('key exchanges', rates.exchange);
  }

  /**
   * Opens a handshake; the same order finds the one that is open. Answers alike for selectors that no live code has.
   * Errors: csr_invalid, csr_key_unsupported, too_many_requests.
   */
  async begin(order: BeginOrder, caller: Caller): Promise<BegunSession> {
    const { sessions, store, clock, fakes, identity } = this.#parts;
    const { kind, selector, clientNonce, csrDer, helloHash, sasCommit } = order;
    const beginKey = sha256Hex(lengthPrefixed(kind, selector, clientNonce, csrDer, helloHash, sasCommit));
    const open = sessions.findBegun(beginKey);
    if (open !== undefined) return this.#begun(open);
    const csr = readCsr(csrDer);
    this.#beginLimits[kind].take(caller.source);
    const code = await pairingCodeBySelector(store.reader, kind, selector, clock.now());
    const usable = code !== undefined && (kind === 'token' || code.tries_left > 0) ? code : undefined;
    const { fake, salt } = fakes.begin(kind, selector);
    return this.#begun(
      sessions.findBegun(beginKey) ??
        sessions.add({
          // From a maker of its own: those of one maker follow each other, and this one must not be guessed.
          id: idMaker(() => clock.now())(),
          beginKey,
          kind,
          selector,
          codeId: usable?.code_id,
          fake: usable === undefined ? fake : undefined,
          verifier: usable === undefined ? fakes.verifier() : { w0: usable.w0, l: usable.l },
          salt: usable?.salt ?? salt,
          caSha256: identity.caSha256,
          csrDer,
          csr,
          helloHash,
          sasCommit,
          daemonNonce: randomBytes(NONCE_BYTES),
        }),
    );
  }

  /**
   * The key shares. One try is charged and on disk before anything is computed; the same share again costs nothing and
   * gets the same answer. Errors: pairing_session_not_found, pairing_code_invalid (no try is left),
   * invalid_argument (a share that is no good), too_many_requests.
   */
  async exchange(sessionId: string, shareP: Buffer, caller: Caller): Promise<ExchangeAnswer> {
    const { sessions, thread } = this.#parts;
    const session = sessions.find(sessionId);
    if (session === undefined) throw noSession();
    if (session.exchange !== undefined && !session.exchange.shareP.equals(shareP)) {
      sessions.end(session);
      throw noSession();
    }
    if (session.exchange === undefined) {
      const release = thread.reserve(session.kind);
      try {
        this.#exchangeLimits[session.kind].take(caller.source);
      } catch (cause) {
        release();
        throw cause;
      }
      const keys = this.#chargeAndRespond(session, shareP, caller).finally(release);
      session.exchange = { shareP, keys };
    }
    const { keys } = session.exchange;
    try {
      const { shareV, confirmV } = await keys;
      return { shareV: Buffer.from(shareV), confirmV: Buffer.from(confirmV) };
    } catch (cause) {
      // A share that is no good stays what it is; anything else may be tried again with the same share.
      if (cause instanceof PalyraError && cause.code === 'pairing_code_invalid') sessions.end(session);
      else if (!(cause instanceof PalyraError && cause.code === 'invalid_argument')) session.exchange = undefined;
      throw cause;
    }
  }

  /**
   * Confirms the key and makes the pairing request; again with the same confirmation it is the same request. Errors:
   * pairing_session_not_found, pairing_code_invalid, invalid_argument, device_revoked, device_suspended.
   */
  async complete(order: CompleteOrder, caller: Caller): Promise<CompletedPairing> {
    const { sessions } = this.#parts;
    const session = sessions.find(order.sessionId);
    if (session === undefined) return this.#completedBefore(order);
    const keys = await session.exchange?.keys;
    if (keys === undefined) throw new PalyraError('conflict', 'the key exchange of this handshake is missing');
    const fault = faultOf(session, keys, order);
    if (fault !== undefined) {
      sessions.end(session);
      throw fault;
    }
    session.completion ??= { confirmP: order.confirmP, result: this.#open(session, keys, order, caller) };
    try {
      return await session.completion.result;
    } catch (cause) {
      // The store may have failed for this moment only.
      session.completion = undefined;
      throw cause;
    }
  }

  #begun(session: Session): BegunSession {
    const { id, salt, daemonNonce } = session;
    return { sessionId: id, salt, daemonNonce, expiresInMs: this.#parts.sessions.leftMs(session) };
  }

  async #chargeAndRespond(session: Session, shareP: Buffer, caller: Caller): Promise<PakeKeys> {
    if (!(await this.#charge(session, caller))) throw codeInvalid();
    return this.#parts.thread.respond({
      names: pairingNames(contextOf(session)),
      verifier: session.verifier,
      shareP,
    });
  }

  async #charge({ kind, codeId, fake }: Session, caller: Caller): Promise<boolean> {
    const { store, clock, fakes, audit } = this.#parts;
    const now = clock.now();
    if (codeId === undefined || fake !== undefined) {
      const charged = fake !== undefined && fakes.charge(kind, fake);
      if (kind === 'pin') await store.write((tx) => chargeFakeTry(tx, now));
      return charged;
    }
    if (kind === 'token') return (await livePairingCode(store.reader, codeId, now)) !== undefined;
    return store.write(async (tx) => {
      const charged = await chargeTry(tx, codeId, now, now + LIMITS.pairingSessionMs);
      if (charged?.triesLeft === 0) {
        await audit(tx, {
          actor: 'system:pairing',
          source: caller.address,
          action: 'pairing_code.exhausted',
          subject: codeId,
          outcome: 'exhausted',
          details: { tries: LIMITS.pairingCodeTries },
        });
      }
      return charged !== undefined;
    });
  }

  async #open(session: Session, keys: PakeKeys, order: CompleteOrder, caller: Caller): Promise<CompletedPairing> {
    const { store, sessions, clock, newId, requestMs, changed } = this.#parts;
    const { codeId } = session;
    if (codeId === undefined) throw codeInvalid();
    const facts = {
      session,
      codeId,
      claims: order.claims,
      sourceAddress: caller.address,
      shortString: shortString(keys.sharedKey, order.sasNonce, session.daemonNonce),
      confirmPSha256: sha256Hex(order.confirmP),
      ids: { requestId: newId(), approvalId: newId(), deviceId: newId() },
      now: clock.now(),
      requestMs,
    };
    const opened = await store.write((tx: Tx) => openRequest(tx, this.#parts, facts));
    sessions.end(session);
    if ('refused' in opened) throw refusalError(opened);
    changed([opened.row.request_id, ...opened.superseded]);
    return completedView(opened.row);
  }

  /** The handshake is over: its request, to whoever knows what confirmed it. */
  async #completedBefore({ sessionId, confirmP }: CompleteOrder): Promise<CompletedPairing> {
    const row = await pairingRequestBySession(this.#parts.store.reader, sessionId);
    if (row === undefined) throw noSession();
    if (!confirms(Buffer.from(row.confirm_p_sha256, 'hex'), sha256(confirmP))) throw noSession();
    return completedView(row);
  }
}

const contextOf = (session: Session): PairingContext => ({
  kind: session.kind,
  selector: session.selector,
  sessionId: session.id,
  salt: session.salt,
  caSha256: session.caSha256,
  csrSha256: Buffer.from(session.csr.csrSha256, 'hex'),
  helloHash: session.helloHash,
  sasCommit: session.sasCommit,
  daemonNonce: session.daemonNonce,
});

/** What is wrong with a confirmation; nothing is said of the rest before the key is confirmed. */
function faultOf(session: Session, keys: PakeKeys, order: CompleteOrder): PalyraError | undefined {
  if (!confirms(keys.confirmP, order.confirmP)) return codeInvalid();
  if (!opensCommitment(session.sasCommit, order.sasNonce)) {
    return new PalyraError('invalid_argument', 'sas_nonce is not the one that was committed to');
  }
  if (!confirms(session.helloHash, sha256(order.helloBytes))) {
    return new PalyraError('invalid_argument', 'device_hello is not the one whose hash was sent');
  }
  return undefined;
}

const completedView = (row: PairingRequestRow): CompletedPairing => ({
  requestId: row.request_id,
  deviceId: row.device_id,
  state: row.state,
  approvalId: row.approval_id,
  expiresAtUnixMs: row.expires_at_unix_ms,
});

const codeInvalid = (): PalyraError =>
  new PalyraError('pairing_code_invalid', 'the code is wrong, used or expired', {
    hint: 'make a new one on the daemon: `palyra pairing code`',
  });

const noSession = (): PalyraError =>
  new PalyraError('pairing_session_not_found', 'this handshake is over', {
    hint: 'begin anew with the same code, or with a new one of `palyra pairing code`',
  });

function refusalError({ refused }: Refusal): PalyraError {
  switch (refused) {
    case 'code':
      return codeInvalid();
    case 'revoked':
    case 'suspended':
      return new PalyraError(`device_${refused}`, `the key of this machine belongs to a device that was ${refused}`, {
        hint: 'ask who runs the daemon: `palyra nodes reinstate` or `palyra nodes remove`',
      });
  }
}
