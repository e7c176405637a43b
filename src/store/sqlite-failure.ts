import { PalyraError } from '../kernel/errors.ts';

// Primary result codes of SQLite (https://sqlite.org/rescode.html); the extended ones have them in the low byte.
const PERM = 3;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

const errcodeOf = (cause: unknown): number | undefined => {
  if (!(cause instanceof Error) || !('errcode' in cause)) return undefined;
  return typeof cause.errcode === 'number' ? cause.errcode & 0xff : undefined;
};

const asError = (cause: unknown): Error => (cause instanceof Error ? cause : new Error(String(cause)));

/** A failure of SQLite as one of ours; anything else (a domain error, a constraint) as it is. */
export function sqliteFailure(cause: unknown, path: string): Error {
  const code = errcodeOf(cause);
  if (code === undefined) return asError(cause);
  switch (code) {
    case FULL:
      return new PalyraError('disk_full', `no space left for the database ${path}`, {
        hint: 'free some space; nothing of this call was accepted',
        cause,
      });
    case IOERR:
      return new PalyraError('store_failed', `the disk failed under the database ${path}`, {
        hint: 'check the disk, then start the daemon again',
        cause,
      });
    case CORRUPT:
    case NOTADB:
      return new PalyraError('database_damaged', `${path} is damaged`, { cause });
    case PERM:
    case READONLY:
    case CANTOPEN:
      return new PalyraError('no_permission', `the database ${path} cannot be opened for writing`, {
        hint: 'check its owner and mode, and those of its folder',
        cause,
      });
    default:
      return asError(cause);
  }
}

// Extended result codes of a duplicate key.
const UNIQUE = new Set([1555, 2067]);
const POSTGRES_UNIQUE = '23505';

/** Whether `cause` says that a row with this key exists already, on either database. */
export function isDuplicateKey(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  if ('errcode' in cause) return UNIQUE.has(Number(cause.errcode));
  return 'code' in cause && cause.code === POSTGRES_UNIQUE;
}
