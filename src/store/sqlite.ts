import { chmodSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { PalyraError } from '../kernel/errors.ts';
import { FleetChanges } from './fleet-change.ts';
import { migrateToLatest } from './migrate.ts';
import type { Schema } from './schema.ts';
import { NodeSqliteDialect } from './sqlite-dialect.ts';
import { sqliteFailure } from './sqlite-failure.ts';
import type { Executor, Store } from './store.ts';
import { TurnWriter } from './turn-writer.ts';

export interface SqliteStoreOptions {
  /** Path of the database file; its folder must exist. */
  readonly path: string;
  /** Called once per commit with the number of writes that shared it. */
  readonly onCommit?: (writes: number) => void;
  /**
   * The disk refused a sync, or the file is damaged: what was written before is uncertain, so the process must end and
   * recover (retrying a sync after an error loses data silently).
   */
  readonly onDiskFailure?: (cause: Error) => void;
}

const BUSY_TIMEOUT_MS = 5_000;
const UNCERTAIN: ReadonlySet<string> = new Set(['store_failed', 'database_damaged']);

function open(path: string, { readOnly }: { readonly readOnly: boolean }): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  // FULL: every commit is on disk when it returns. A WAL of SQLite's own length is overwritten, not appended to.
  db.exec('pragma journal_mode=wal; pragma synchronous=full; pragma temp_store=memory; pragma cache_size=-16384');
  if (readOnly) db.exec('pragma query_only=on');
  return db;
}

/**
 * Opens the database of a single daemon, with its tables made or brought to this version.
 * Errors: `database_damaged`, `database_newer`, `disk_full`, `no_permission`.
 */
export async function openSqliteStore({ path, onCommit, onDiskFailure }: SqliteStoreOptions): Promise<Store> {
  let serving = false;
  const translate = (cause: unknown): Error => {
    const failure = sqliteFailure(cause, path);
    if (serving && failure !== cause && failure instanceof PalyraError && UNCERTAIN.has(failure.code)) {
      onDiskFailure?.(failure);
    }
    return failure;
  };
  const changes = new FleetChanges();
  const opened: DatabaseSync[] = [];
  try {
    const writing = open(path, { readOnly: false });
    opened.push(writing);
    chmodSync(path, 0o600);
    const db: Executor = new Kysely<Schema>({
      dialect: new NodeSqliteDialect(writing, { translate, saw: (sql, rows) => changes.saw(sql, rows) }),
    });
    await migrateToLatest(db, 'sqlite');
    const reading = open(path, { readOnly: true });
    opened.push(reading);
    const reader: Executor = new Kysely<Schema>({ dialect: new NodeSqliteDialect(reading, { translate }) });
    const writer = new TurnWriter({
      db,
      translate,
      onCommit(writes) {
        onCommit?.(writes);
        changes.committed();
      },
    });
    serving = true;
    let closed: Promise<void> | undefined;
    return {
      dialect: 'sqlite',
      reader,
      write: (op) => writer.write(op),
      onFleetChange: (listener) => changes.listen(listener),
      close() {
        closed ??= writer.idle().then(() => {
          reading.close();
          writing.close();
        });
        return closed;
      },
    };
  } catch (cause) {
    for (const db of opened) db.close();
    throw sqliteFailure(cause, path);
  }
}
