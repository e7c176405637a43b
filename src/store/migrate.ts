import { Migrator } from 'kysely/migration';
import { PalyraError } from '../kernel/errors.ts';
import { migrationsFor, type StoreDialect } from './migrations/index.ts';
import type { Executor } from './store.ts';

/** Where the migrator notes what it has applied. */
export const MIGRATION_TABLE = 'kysely_migration';

/** Brings the tables to this version. Errors: `database_newer` when a later version made them. */
export async function migrateToLatest(db: Executor, dialect: StoreDialect): Promise<void> {
  const known = migrationsFor(dialect);
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...known }) } });
  refuseNewer(await appliedMigrations(db), dialect);
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
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
