import { randomBytes, randomInt } from 'node:crypto';
import type { Actor, Page } from '../dispatch/types.ts';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { makeJoinToken } from '../pake/join-token.ts';
import { makePin, pinSelectors, showPin } from '../pake/pin.ts';
import type { PakeVerifier } from '../pake/spake2plus.ts';
import { KDF, makeVerifier, SALT_BYTES } from '../pake/stretch.ts';
import {
  deleteExpiredPairingCodes,
  deletePairingCode,
  insertPairingCode,
  livePairingCodes,
  livePinSelectors,
} from '../store/pairing-codes.ts';
import type { PairingCodeRow } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';
import { sha256, spkiOf } from '../x509/key-pair.ts';
import { readConstraints, writeConstraints } from './constraints.ts';
import type {
  CodeConstraints,
  CodeOrder,
  CodeRecord,
  MintedCode,
  MintedToken,
  PairingPorts,
  TokenOrder,
} from './types.ts';

const DAY = 86_400_000;
const TOKEN_MS = 3_600_000;
const TOKEN_LONGEST_MS = 30 * DAY;
const TOKEN_USES_LARGEST = 100_000;
/** Of two that pick the same free selector at the same moment one picks again. */
const ATTEMPTS = 5;

interface NewCode {
  readonly code: string;
  readonly row: Pick<PairingCodeRow, 'kind' | 'selector' | 'tries_left' | 'uses_left'>;
  readonly ttlMs: number;
  readonly constraints: CodeConstraints;
}

/** Codes for new machines: PINs for people, tokens for programs. What is kept of one is a verifier, never the code. */
export class Codes {
  readonly #ports: PairingPorts;

  constructor(ports: PairingPorts) {
    this.#ports = ports;
  }

  /** Errors: too_many_codes, invalid_argument. */
  async mintPin(order: CodeOrder, actor: Actor): Promise<MintedCode> {
    const { ttlMs = LIMITS.pairingCodeMs, ...constraints } = order;
    checkTtl(ttlMs, LIMITS.pairingCodeLongestMs);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const taken = new Set(await livePinSelectors(this.#ports.store.reader, this.#ports.clock.now()));
      if (taken.size >= LIMITS.livePins) throw tooManyCodes();
      const free = pinSelectors().filter((selector) => !taken.has(selector));
      const pin = makePin(free[randomInt(free.length)] ?? '00');
      const minted = await this.#mint(
        {
          code: pin.code,
          row: { kind: 'pin', selector: pin.selector, tries_left: LIMITS.pairingCodeTries, uses_left: 1 },
          ttlMs,
          constraints,
        },
        actor,
      );
      if (minted === 'full') throw tooManyCodes();
      if (minted !== 'taken') return { ...minted, pin: showPin(pin) };
    }
    throw tooManyCodes();
  }

  /** `autoApprove` must have been allowed by the edge: an admin only. Errors: invalid_argument. */
  async mintToken(order: TokenOrder, actor: Actor): Promise<MintedToken> {
    const { ttlMs = TOKEN_MS, maxUses = 1, ...constraints } = order;
    checkTtl(ttlMs, TOKEN_LONGEST_MS);
    if (!Number.isInteger(maxUses) || maxUses < 1 || maxUses > TOKEN_USES_LARGEST) {
      throw new PalyraError('invalid_argument', `a token has 1 to ${TOKEN_USES_LARGEST} uses`);
    }
    const { identity } = this.#ports;
    const token = makeJoinToken(sha256(spkiOf(identity.caCertificate.publicKey)));
    const minted = await this.#mint(
      {
        code: token.code,
        row: { kind: 'token', selector: token.selector, tries_left: 0, uses_left: maxUses },
        ttlMs,
        constraints,
      },
      actor,
    );
    if (typeof minted === 'string') throw new Error('a random selector of 64 bits is taken');
    return { ...minted, token: token.code };
  }

  /** Live codes, the newest first. */
  async list(cursor: string | null, limit: number): Promise<Page<CodeRecord>> {
    const { store, clock } = this.#ports;
    const rows = await livePairingCodes(store.reader, clock.now(), cursor, limit + 1);
    const page = rows.slice(0, limit);
    return { rows: page.map(recordOf), nextCursor: rows.length > limit ? (page.at(-1)?.code_id ?? null) : null };
  }

  /** Errors: not_found. */
  async revoke(codeId: string, actor: Actor): Promise<void> {
    const { store, audit } = this.#ports;
    const gone = await store.write(async (tx) => {
      if (!(await deletePairingCode(tx, codeId))) return false;
      await audit(tx, {
        actor: actor.id,
        source: actor.source,
        action: 'pairing_code.revoked',
        subject: codeId,
        outcome: 'revoked',
      });
      return true;
    });
    if (gone) return;
    throw new PalyraError('not_found', `no live code has the id ${codeId}`, { hint: 'palyra pairing code makes one' });
  }

  async #mint(
    { code, row, ttlMs, constraints }: NewCode,
    actor: Actor,
  ): Promise<Pick<MintedCode, 'codeId' | 'expiresAtUnixMs'> | 'taken' | 'full'> {
    const { store, clock, newId, audit } = this.#ports;
    const salt = randomBytes(SALT_BYTES);
    const verifier = await makeVerifier(code, salt);
    const now = clock.now();
    const expiresAtUnixMs = now + ttlMs;
    const codeId = newId();
    const insert = async (tx: Tx): Promise<'made' | 'taken' | 'full'> => {
      await deleteExpiredPairingCodes(tx, now);
      if (row.kind === 'pin') {
        const live = await livePinSelectors(tx, now);
        if (live.includes(row.selector)) return 'taken';
        if (live.length >= LIMITS.livePins) return 'full';
      }
      await insertPairingCode(tx, {
        ...row,
        ...columnsOf(verifier, salt),
        code_id: codeId,
        expires_at_unix_ms: expiresAtUnixMs,
        created_at_unix_ms: now,
        created_by: actor.id,
        constraints_json: writeConstraints(constraints),
      });
      await audit(tx, {
        actor: actor.id,
        source: actor.source,
        action: 'pairing_code.created',
        subject: codeId,
        outcome: row.kind,
        details: { expires_at_unix_ms: expiresAtUnixMs, uses: row.uses_left, ...constraints },
      });
      return 'made';
    };
    const fate = await store.write(insert);
    return fate === 'made' ? { codeId, expiresAtUnixMs } : fate;
  }
}

const columnsOf = (
  { w0, l }: PakeVerifier,
  salt: Buffer,
): Pick<PairingCodeRow, 'salt' | 'kdf_log_n' | 'kdf_r' | 'kdf_p' | 'w0' | 'l'> => ({
  salt,
  kdf_log_n: KDF.logN,
  kdf_r: KDF.r,
  kdf_p: KDF.p,
  w0: Buffer.from(w0),
  l: Buffer.from(l),
});

function recordOf(row: PairingCodeRow): CodeRecord {
  const { name, labels, capabilities } = readConstraints(row.constraints_json);
  return {
    codeId: row.code_id,
    kind: row.kind,
    triesLeft: row.tries_left,
    usesLeft: row.uses_left,
    expiresAtUnixMs: row.expires_at_unix_ms,
    createdAtUnixMs: row.created_at_unix_ms,
    createdBy: row.created_by,
    name: name ?? null,
    labels: labels ?? {},
    capabilities: capabilities ?? null,
  };
}

function checkTtl(ttlMs: number, longestMs: number): void {
  if (Number.isInteger(ttlMs) && ttlMs > 0 && ttlMs <= longestMs) return;
  throw new PalyraError('invalid_argument', `a code of this kind lives at most ${Math.floor(longestMs / 3_600_000)} h`);
}

const tooManyCodes = (): PalyraError =>
  new PalyraError('too_many_codes', `there are ${LIMITS.livePins} live PINs already`, {
    hint: 'revoke one with `palyra pairing revoke`, or use a join token: `palyra pairing token create`',
  });
