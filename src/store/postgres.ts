import { Kysely, type PostgresPool } from 'kysely';
import type { Clock } from '../kernel/clock.ts';
import { idMaker } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import { FleetChanges } from './fleet-change.ts';
import { migrateToLatest } from './migrate.ts';
import { PooledDialect, WriterDialect } from './postgres-dialect.ts';
import { lostRace, StoreUnavailable } from './postgres-failure.ts';
import { openPool } from './postgres-pool.ts';
import { type PostgresUrl, parsePostgresUrl } from './postgres-url.ts';
import type { Schema } from './schema.ts';
import type { Executor, Store } from './store.ts';
import { TurnMarks } from './turn-marks.ts';
import { type TurnFate, TurnWriter } from './turn-writer.ts';

export interface PostgresStoreOptions {
  /** `postgres://…`, with TLS parameters as libpq has them. Never logged. */
  readonly url: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called once per commit with the number of writes that shared it. */
  readonly onCommit?: (writes: number) => void;
  /** How long the server may take for one statement, ms; LIMITS.storeStatementMs when absent. */
  readonly statementMs?: number;
}

/** One transaction at a time, and one connection more for the moment in which a lost one is not yet given back. */
const WRITERS = 2;

/**
 * Opens a database that several daemons may share, with its tables made or brought to this version. A server that goes
 * away fails calls with `store_unavailable` until it is back; a write that was rejected so was not committed, unless
 * the message says that nobody knows. Errors: `config_invalid`, `store_unavailable`, `database_newer`, `disk_full`.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { url: text, clock, log, onCommit, statementMs = LIMITS.storeStatementMs } = options;
  const url = parsePostgresUrl(text);
  const started = clock.monotonic();
  await migrate(url, log);
  const readers = openPool({ url, log, connections: LIMITS.storeReaders, statementMs });
  const changes = new FleetChanges();
  const saw = (sql: string, rows: number): void => changes.saw(sql, rows);
  const writers = openPool({ url, log, connections: WRITERS, statementMs, saw });
  const marks = new TurnMarks(idMaker(() => clock.now())(), readers, clock);
  try {
    await marks.begin((unixMs) => idMaker(() => unixMs)());
  } catch (cause) {
    await endAll([readers, writers]);
    throw cause;
  }
  const reader: Executor = new Kysely<Schema>({ dialect: new PooledDialect({ pool: readers }) });
  const db: Executor = new Kysely<Schema>({ dialect: new WriterDialect(writers, marks) });
  // The pool has told what is the server's; the rest is the callers' own.
  const translate = (cause: unknown): Error => (cause instanceof Error ? cause : new Error(String(cause)));
  const writer = new TurnWriter({
    db,
    translate,
    fate,
    onCommit(writes) {
      onCommit?.(writes);
      changes.committed();
    },
  });
  const duration_ms = Math.round(clock.monotonic() - started);
  log.info({ dialect: 'postgres', database: url.shown, duration_ms }, 'the database is open');
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await writer.idle();
    await marks.end().catch((cause: unknown) => log.debug({ err: cause }, 'a mark stays behind for a week'));
    await endAll([readers, writers]);
  };
  return {
    dialect: 'postgres',
    reader,
    write: (op) => writer.write(op),
    onFleetChange: (listener) => changes.listen(listener),
    close() {
      closed ??= close();
      return closed;
    },
  };
}

/** A connection that was cut before its commit was sent has left nothing; one that cannot be had is not tried twice. */
function fate(failure: Error): TurnFate {
  if (lostRace(failure)) return 'again';
  if (!(failure instanceof StoreUnavailable)) return 'each';
  return failure.phase === 'statement' ? 'again' : 'all';
}

const endAll = async (pools: readonly PostgresPool[]): Promise<void> => {
  await Promise.all(pools.map((pool) => pool.end()));
};

async function migrate(url: PostgresUrl, log: Logger): Promise<void> {
  const pool = openPool({ url, log, connections: 1, statementMs: LIMITS.storeMigrationMs });
  try {
    await migrateToLatest(new Kysely<Schema>({ dialect: new PooledDialect({ pool }) }), 'postgres');
  } finally {
    await pool.end();
  }
}
