import type { PostgresPool } from 'kysely';
import type { Clock } from '../kernel/clock.ts';
import { LIMITS } from '../kernel/limits.ts';
import { StoreUnavailable } from './postgres-failure.ts';

const PREFIX = 'turn_mark:';
const RETRY_MS = 200;
/** Marks of daemons that were killed; none is needed longer than LIMITS.storeOutcomeMs. */
const STALE_MS = 7 * 86_400_000;

/**
 * One row of the database that every transaction of this writer changes. When the connection is lost in a commit, the
 * row tells whether it happened: it is locked until the server has decided, and holds the mark or does not.
 */
export class TurnMarks {
  readonly #key: string;
  readonly #pool: PostgresPool;
  readonly #clock: Clock;
  #turn = 0;

  /** `writerId`: a ULID that no other writer uses. `pool`: connections that are not the writer's own. */
  constructor(writerId: string, pool: PostgresPool, clock: Clock) {
    this.#key = PREFIX + writerId;
    this.#pool = pool;
    this.#clock = clock;
  }

  /** Makes the row, once, and drops those of writers that died long ago; `oldestId`: the lowest ULID of a living one. */
  async begin(idAt: (unixMs: number) => string): Promise<void> {
    const oldest = PREFIX + idAt(this.#clock.now() - STALE_MS);
    await this.#query('delete from meta where key >= $1 and key < $2', [PREFIX, oldest]);
    await this.#query('insert into meta (key, value) values ($1, $2)', [this.#key, '0']);
  }

  async end(): Promise<void> {
    await this.#query('delete from meta where key = $1', [this.#key]);
  }

  /** The mark of the next transaction and the statement that leaves it: sent with its `begin`, so it costs no trip. */
  next(): { readonly mark: string; readonly statement: string } {
    this.#turn += 1;
    const mark = String(this.#turn);
    return { mark, statement: `update meta set value = '${mark}' where key = '${this.#key}'` };
  }

  /**
   * Whether the transaction of this mark was committed, after its commit failed by `cause`. Throws `store_unavailable`
   * of phase `commit` when the server does not say so in time; otherwise a `false` is certain.
   */
  async happened(mark: string, cause: StoreUnavailable): Promise<boolean> {
    const deadline = this.#clock.monotonic() + LIMITS.storeOutcomeMs;
    for (;;) {
      try {
        const [row] = await this.#query('select value from meta where key = $1 for update', [this.#key]);
        if (row === undefined) throw cause;
        return row['value'] === mark;
      } catch (failure) {
        if (!(failure instanceof StoreUnavailable) || this.#clock.monotonic() >= deadline) throw cause;
      }
      await this.#clock.sleep(RETRY_MS);
    }
  }

  async #query(sql: string, values: readonly unknown[]): Promise<Record<string, unknown>[]> {
    const client = await this.#pool.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql, values)).rows;
    } finally {
      client.release();
    }
  }
}
