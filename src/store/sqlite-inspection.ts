import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { PalyraError } from '../kernel/errors.ts';
import { MIGRATION_TABLE, refuseNewer } from './migrate.ts';
import { sqliteFailure } from './sqlite-failure.ts';

const sizeOf = (path: string): number => (existsSync(path) ? statSync(path).size : 0);

/**
 * Looks at a database before it is used, without changing it: reads each page once (about a second per GiB from cache).
 * A file that does not exist is fine. Errors: `database_damaged`, `database_newer`, `no_permission`, `store_failed`.
 */
export function inspectSqlite(path: string): void {
  if (sizeOf(path) === 0) {
    // SQLite would delete such a log as a stranger's, and with it whatever was not yet in the lost file.
    if (sizeOf(`${path}-wal`) === 0) return;
    throw new PalyraError('database_damaged', `${path} is empty, but its log ${path}-wal is not`);
  }
  try {
    // Read-only, so that closing moves nothing from the log into the file; only a journal needs a writer to undo it.
    const db = new DatabaseSync(path, { readOnly: !existsSync(`${path}-journal`) });
    try {
      const faults = db
        .prepare('pragma quick_check(3)')
        .all()
        .map((row) => String(Object.values(row)[0]))
        .filter((text) => text !== 'ok');
      if (faults.length > 0) throw new PalyraError('database_damaged', `${path} is damaged: ${faults.join('; ')}`);
      refuseNewer(appliedMigrations(db), 'sqlite');
    } finally {
      db.close();
    }
  } catch (cause) {
    throw sqliteFailure(cause, path);
  }
}

function appliedMigrations(db: DatabaseSync): string[] {
  const made = db.prepare('select 1 from sqlite_schema where type = ? and name = ?').get('table', MIGRATION_TABLE);
  if (made === undefined) return [];
  return db
    .prepare(`select name from ${MIGRATION_TABLE}`)
    .all()
    .map(({ name }) => String(name));
}
