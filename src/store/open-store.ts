import { join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { ensurePrivateDir } from '../kernel/files.ts';
import type { Logger } from '../kernel/log.ts';
import { SQLITE_SET, setAside } from './set-aside.ts';
import { openSqliteStore } from './sqlite.ts';
import { inspectSqlite } from './sqlite-inspection.ts';
import type { Store } from './store.ts';

export interface OpenStoreOptions {
  /** The daemon's folder, `<home>/daemon`; made when it is missing. */
  readonly home: string;
  /** `postgres://…`: that database instead of a file in the folder. Never logged. */
  readonly databaseUrl?: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called once per commit with the number of writes that shared it. */
  readonly onCommit?: (writes: number) => void;
  /** SQLite: what was written before is uncertain, so the process must end and recover at its next start. */
  readonly onDiskFailure?: (cause: Error) => void;
}

export interface OpenedStore {
  readonly store: Store;
  /** Where a damaged database lies now; the store began empty in its place. */
  readonly setAside?: string;
}

/** The file of a daemon's SQLite database. */
export const databasePath = (home: string): string => join(home, 'palyra.db');

/**
 * Opens the state of record, with its tables brought to this version. A damaged SQLite database is moved away whole and
 * reported, never repaired or overwritten. Errors: `database_newer` (nothing was changed), `disk_full`,
 * `no_permission`, `store_failed`; with a URL also `config_invalid`, `store_unavailable`.
 */
export async function openStore(options: OpenStoreOptions): Promise<OpenedStore> {
  const { home, databaseUrl, clock, log, onCommit } = options;
  ensurePrivateDir(home);
  if (databaseUrl === undefined) return openFile(options);
  // Whoever has a file loads nothing of the driver.
  const { openPostgresStore } = await import('./postgres.ts');
  const store = await openPostgresStore({ url: databaseUrl, clock, log, ...(onCommit !== undefined && { onCommit }) });
  return { store };
}

async function openFile({ home, clock, log, ...hooks }: OpenStoreOptions): Promise<OpenedStore> {
  const path = databasePath(home);
  const started = clock.monotonic();
  const opened = await openSound(path, hooks).catch(async (cause: unknown): Promise<OpenedStore> => {
    if (!(cause instanceof PalyraError) || cause.code !== 'database_damaged') throw cause;
    const aside = setAside(path, clock.now(), SQLITE_SET);
    log.error(
      { err: cause, set_aside: aside },
      'the database is damaged and was set aside; an empty one is in its place',
    );
    return { ...(await openSound(path, hooks)), setAside: aside };
  });
  log.info({ dialect: 'sqlite', path, duration_ms: Math.round(clock.monotonic() - started) }, 'the database is open');
  return opened;
}

async function openSound(
  path: string,
  hooks: Pick<OpenStoreOptions, 'onCommit' | 'onDiskFailure'>,
): Promise<OpenedStore> {
  inspectSqlite(path);
  return { store: await openSqliteStore({ path, ...hooks }) };
}
