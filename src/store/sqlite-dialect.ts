// Kysely on the runtime's own node:sqlite. Statements are prepared once and kept; values are checked before they are
// bound, because the runtime would take NaN as NULL and a plain object as named parameters.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  type QueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { LRUCache } from 'lru-cache';
import { storable } from './storable.ts';

const KEPT_STATEMENTS = 256;

type Translate = (cause: unknown) => Error;
type Saw = (sql: string, rows: number | bigint) => void;

export interface DialectHooks {
  /** Makes one of ours of a failure. */
  readonly translate: Translate;
  /** Told of each statement that is no plain read, with the number of rows it changed. */
  readonly saw?: Saw;
}

interface Prepared {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
  readonly blobColumns: readonly string[];
}

class SqliteConnection implements DatabaseConnection {
  readonly #db: DatabaseSync;
  readonly #hooks: DialectHooks;
  readonly #statements = new LRUCache<string, Prepared>({ max: KEPT_STATEMENTS });

  constructor(db: DatabaseSync, hooks: DialectHooks) {
    this.#db = db;
    this.#hooks = hooks;
  }

  #prepare(sql: string): Prepared {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    const columns = statement.columns();
    const prepared = {
      statement,
      returnsRows: columns.length > 0,
      blobColumns: columns.filter(({ type }) => type?.toLowerCase() === 'blob').map(({ name }) => name),
    };
    this.#statements.set(sql, prepared);
    return prepared;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    try {
      return this.#run<R>(query);
    } catch (cause) {
      throw this.#hooks.translate(cause);
    }
  }

  #run<R>({ sql, parameters }: CompiledQuery): QueryResult<R> {
    const { statement, returnsRows, blobColumns } = this.#prepare(sql);
    const values = parameters.map(storable);
    if (!returnsRows) {
      const { changes, lastInsertRowid } = statement.run(...values);
      this.#hooks.saw?.(sql, changes);
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
    }
    const rows = statement.all(...values);
    this.#hooks.saw?.(sql, rows.length);
    for (const name of blobColumns) {
      for (const row of rows) {
        const bytes = row[name];
        if (bytes instanceof Uint8Array) row[name] = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      }
    }
    return { rows: rows as R[], numAffectedRows: BigInt(rows.length) };
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    // A long reader keeps the WAL from shrinking, so nothing streams: page instead.
    yield await this.executeQuery<R>(query);
  }
}

class SqliteDriver implements Driver {
  readonly #db: DatabaseSync;
  readonly #connection: SqliteConnection;

  constructor(db: DatabaseSync, hooks: DialectHooks) {
    this.#db = db;
    this.#connection = new SqliteConnection(db, hooks);
  }

  async init(): Promise<void> {}
  // One connection, never waited for: the writer runs one transaction at a time, and a statement is never in parts.
  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }
  async releaseConnection(): Promise<void> {}
  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }
  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }
  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // A full disk has ended it already, and a failure here would hide that one.
    if (!this.#db.isTransaction) return;
    await connection.executeQuery(CompiledQuery.raw('rollback'));
  }
  async savepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`savepoint "${name}"`));
  }
  async rollbackToSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`rollback to "${name}"`));
  }
  async releaseSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`release "${name}"`));
  }
  async destroy(): Promise<void> {}
}

// Kysely's own adapter says no, and then a migration that fails half-way stays half-applied.
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** A dialect over one open database; closing it is the caller's. */
export class NodeSqliteDialect implements Dialect {
  readonly #db: DatabaseSync;
  readonly #hooks: DialectHooks;

  constructor(db: DatabaseSync, hooks: DialectHooks) {
    this.#db = db;
    this.#hooks = hooks;
  }

  createDriver(): Driver {
    return new SqliteDriver(this.#db, this.#hooks);
  }
  createQueryCompiler(): QueryCompiler {
    return new SqliteQueryCompiler();
  }
  createAdapter(): DialectAdapter {
    return new TransactionalSqliteAdapter();
  }
  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db);
  }
}
