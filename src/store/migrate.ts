import { Migrator } from 'kysely/migration';
import { PalyraError } from '../kernel/errors.ts';
import { migrationsFor, type StoreDialect } from './migrations/index.ts';
import type { Executor } from './store.ts';

/** Brings the tables to this version. Errors: `database_newer` when a later version made them. */
export async function migrateToLatest(db: Executor, dialect: StoreDialect): Promise<void> {
  const known = migrationsFor(dialect);
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...known }) } });
  const unknown = (await appliedMigrations(db)).filter((name) => !Object.hasOwn(known, name));
  if (unknown.length > 0) {
    throw new PalyraError(
      'database_newer',
      `the database has ${unknown.join(', ')}, which this version does not know`,
      {
        hint: 'start the newer version again, or restore a backup made by this one',
      },
    );
  }
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}

async function appliedMigrations(db: Executor): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === 'kysely_migration')) return [];
  const rows = await db
    .withTables<{ kysely_migration: { name: string } }>()
    .selectFrom('kysely_migration')
    .select('name')
    .execute();
  return rows.map(({ name }) => name);
}
