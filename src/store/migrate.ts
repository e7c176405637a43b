import { Migrator } from 'kysely/migration';
import { PalyraError } from '../kernel/errors.ts';
import type { StoreDialect } from './migrations/dialect.ts';
import { migrationsFor } from './migrations/index.ts';
import type { Executor } from './store.ts';

/** Where the migrator notes what it has applied. */
export const MIGRATION_TABLE = 'kysely_migration';
/** Where a dialect without locks would have one; neither of ours does. */
const NO_LOCK_TABLE = { lockTable: '', lockRowId: '' };

/** Brings the tables to this version, or changes nothing. Errors: `database_newer` when a later version made them. */
export async function migrateToLatest(db: Executor, dialect: StoreDialect): Promise<void> {
  await db.transaction().execute(async (tx) => {
    // First of all, so that of several daemons that start at once one makes the tables and the others find them.
    await tx.getExecutor().adapter.acquireMigrationLock(tx, NO_LOCK_TABLE);
    refuseNewer(await appliedMigrations(tx), dialect);
    const provider = { getMigrations: async () => ({ ...migrationsFor(dialect) }) };
    const { error } = await new Migrator({ db: tx, provider }).migrateToLatest();
    if (error !== undefined) throw error;
  });
}

/** Errors: `database_newer` when one of the applied migrations is not of this version. */
export function refuseNewer(applied: readonly string[], dialect: StoreDialect): void {
  const known = migrationsFor(dialect);
  const unknown = applied.filter((name) => !Object.hasOwn(known, name));
  if (unknown.length === 0) return;
  throw new PalyraError('database_newer', `the database has ${unknown.join(', ')}, which this version does not know`, {
    hint: 'start the newer version again, or restore a backup made by this one',
  });
}

async function appliedMigrations(db: Executor): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === MIGRATION_TABLE)) return [];
  const rows = await db
    .withTables<{ kysely_migration: { name: string } }>()
    .selectFrom(MIGRATION_TABLE)
    .select('name')
    .execute();
  return rows.map(({ name }) => name);
}
