// The migrations in their order. A released one is never edited; what it lacks is the next one's.
import type { Migration } from 'kysely/migration';
import { initial } from './001-initial.ts';
import type { StoreDialect } from './dialect.ts';

/** Every migration by its name; names sort in the order of application. */
export const migrationsFor = (dialect: StoreDialect): Readonly<Record<string, Migration>> => ({
  '001-initial': initial(dialect),
});
