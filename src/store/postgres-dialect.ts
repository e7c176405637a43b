import {
  CompiledQuery,
  type Driver,
  PostgresAdapter,
  PostgresDialect,
  PostgresDriver,
  type PostgresPool,
  sql,
  type TransactionSettings,
} from 'kysely';
import { LIMITS } from '../kernel/limits.ts';
import { StoreUnavailable } from './postgres-failure.ts';
import type { Executor } from './store.ts';
import type { TurnMarks } from './turn-marks.ts';

const MIGRATION_LOCK = 0x70616c797261;

// Kysely's own lock belongs to the session, which a pooler in transaction mode gives to others. The migrator runs in a
// transaction of ours, and so does this lock, which ends with it.
class TransactionLockAdapter extends PostgresAdapter {
  override async acquireMigrationLock(db: Executor): Promise<void> {
    await sql`select set_config('lock_timeout', ${String(LIMITS.storeMigrationMs)}, true)`.execute(db);
    await sql`select pg_advisory_xact_lock(${sql.lit(MIGRATION_LOCK)})`.execute(db);
  }
  override async releaseMigrationLock(): Promise<void> {}
}

/** PostgreSQL for reads and migrations. */
export class PooledDialect extends PostgresDialect {
  override createAdapter(): PostgresAdapter {
    return new TransactionLockAdapter();
  }
}

/** PostgreSQL for the writer: each transaction leaves its mark, by which the fate of a lost commit is found. */
export class WriterDialect extends PooledDialect {
  readonly #pool: PostgresPool;
  readonly #marks: TurnMarks;

  constructor(pool: PostgresPool, marks: TurnMarks) {
    super({ pool });
    this.#pool = pool;
    this.#marks = marks;
  }

  override createDriver(): Driver {
    return new MarkingDriver(this.#pool, this.#marks);
  }
}

type Connection = Parameters<PostgresDriver['rollbackTransaction']>[0];

class MarkingDriver extends PostgresDriver {
  readonly #marks: TurnMarks;
  #mark = '';

  constructor(pool: PostgresPool, marks: TurnMarks) {
    super({ pool });
    this.#marks = marks;
  }

  override async beginTransaction(connection: Connection, _settings: TransactionSettings): Promise<void> {
    const { mark, statement } = this.#marks.next();
    this.#mark = mark;
    try {
      await connection.executeQuery(CompiledQuery.raw(`begin; ${statement}`));
    } catch (cause) {
      // Kysely takes it for not begun, but the server may be inside of it.
      await this.rollbackTransaction(connection);
      throw cause;
    }
  }

  override async commitTransaction(connection: Connection): Promise<void> {
    try {
      await super.commitTransaction(connection);
    } catch (cause) {
      if (!(cause instanceof StoreUnavailable)) throw cause;
      if (await this.#marks.happened(this.#mark, cause)) return;
      throw new StoreUnavailable(cause.message, 'statement', { cause });
    }
  }

  override async rollbackTransaction(connection: Connection): Promise<void> {
    // Where it fails the connection is thrown away, and the server rolls back by itself.
    await super.rollbackTransaction(connection).catch(() => undefined);
  }
}
