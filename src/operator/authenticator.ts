import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import { findOperator, noteOperatorUse } from '../store/operators.ts';
import type { OperatorRow } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { parseOperatorToken } from '../wire/operator-token.ts';
import { FailedCredentials } from './failed-credentials.ts';
import type { Principal, Scopes } from './principal.ts';

const HOUR_MS = 3_600_000;
const CACHED_OPERATORS = 1_000;
const BEARER = 'Bearer ';

const scopesSchema = z.strictObject({ capabilities: z.array(z.string()) });

/** A scope that this version does not understand must not widen into none. Errors: `permission_denied`. */
function scopesOf({ name, scopes_json: json }: OperatorRow): Scopes | null {
  if (json === null) return null;
  const scopes = scopesSchema.safeParse(JSON.parse(json));
  if (scopes.success) return scopes.data;
  throw new PalyraError(
    'permission_denied',
    `the token of ${name} is narrowed in a way that this daemon does not know`,
    {
      hint: 'update the daemon, or make a new token',
    },
  );
}

interface Known {
  readonly row: OperatorRow;
  readonly readAt: number;
}

export interface AuthenticatorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Tells who calls by the token of the call. Tokens are stored as hashes; a look-up is kept for a second. */
export class Authenticator {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #failed: FailedCredentials;
  readonly #known = new LRUCache<string, Known>({ max: CACHED_OPERATORS });
  // Compared against when there is no such operator, so that a miss takes as long as a wrong secret.
  readonly #nobody = randomBytes(32);

  constructor({ store, clock, log }: AuthenticatorOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#failed = new FailedCredentials(clock);
  }

  /**
   * The operator of an Authorization header. Errors: `unauthenticated`; `too_many_requests` for failing credentials
   * beyond the limits of LIMITS.failedCredentials*, never for a right one.
   */
  async authenticate(authorization: string | undefined, source: string): Promise<Principal> {
    if (authorization === undefined) {
      throw new PalyraError('unauthenticated', 'the call carries no operator token', {
        hint: 'send it as `Authorization: Bearer palyra_…`',
      });
    }
    const token = authorization.startsWith(BEARER) ? parseOperatorToken(authorization.slice(BEARER.length)) : undefined;
    const known = token === undefined ? undefined : await this.#find(token.id);
    const expected = known === undefined ? this.#nobody : Buffer.from(known.row.secret_sha256, 'hex');
    const right = timingSafeEqual(token?.secretSha256 ?? randomBytes(32), expected);
    if (known === undefined || !right) throw this.#refuse(source);
    return this.#admit(known, source);
  }

  /** What `hello` proves knowledge of; for unknown ids something that proves nothing and looks alike. */
  async secretSha256Of(operatorId: string): Promise<Buffer> {
    const known = await this.#find(operatorId);
    return known === undefined
      ? createHash('sha256').update(this.#nobody).update(operatorId).digest()
      : Buffer.from(known.row.secret_sha256, 'hex');
  }

  /** After a change of an operator: the next call reads it anew. */
  forget(operatorId: string): void {
    this.#known.delete(operatorId);
  }

  async #find(operatorId: string): Promise<Known | undefined> {
    const now = this.#clock.monotonic();
    const cached = this.#known.get(operatorId);
    if (cached !== undefined && now - cached.readAt < LIMITS.operatorCacheMs) return cached;
    const row = await findOperator(this.#store.reader, operatorId);
    if (row === undefined) {
      this.#known.delete(operatorId);
      return undefined;
    }
    const known = { row, readAt: now };
    this.#known.set(operatorId, known);
    return known;
  }

  #refuse(source: string): PalyraError {
    const waitMs = this.#failed.note(source);
    if (waitMs > 0) {
      return new PalyraError('too_many_requests', `too many wrong credentials from ${source}`, {
        hint: 'wait, and check the token',
        details: { retry_after_ms: Math.ceil(waitMs) },
      });
    }
    return new PalyraError('unauthenticated', 'the operator token is not valid', {
      hint: 'check PALYRA_TOKEN or PALYRA_TOKEN_FILE; without them the token of the home is used',
    });
  }

  #admit({ row }: Known, source: string): Principal {
    const now = this.#clock.now();
    if (row.revoked_at_unix_ms !== null) {
      throw new PalyraError('unauthenticated', `the token of ${row.name} was revoked`);
    }
    if (row.expires_at_unix_ms !== null && row.expires_at_unix_ms <= now) {
      throw new PalyraError('unauthenticated', `the token of ${row.name} has expired`);
    }
    if (row.last_used_at_unix_ms === null || now - row.last_used_at_unix_ms >= HOUR_MS) {
      row.last_used_at_unix_ms = now;
      this.#noteUse(row.operator_id, now);
    }
    return { operatorId: row.operator_id, name: row.name, role: row.role, scopes: scopesOf(row), source };
  }

  /** Not waited for: a full disk must not lock operators out who could make room. */
  #noteUse(operatorId: string, now: number): void {
    this.#store
      .write((tx) => noteOperatorUse(tx, operatorId, now))
      .catch((cause: unknown) => this.#log.warn({ err: cause }, 'the use of a token could not be noted'));
  }
}
