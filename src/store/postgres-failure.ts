import { DatabaseError } from 'pg';
import { type ErrorOptions, PalyraError, systemCode } from '../kernel/errors.ts';

/** Where a connection was when it was lost: after `commit` was sent nobody knows whether it happened. */
export type Phase = 'connect' | 'statement' | 'commit';

export class StoreUnavailable extends PalyraError {
  readonly phase: Phase;

  constructor(message: string, phase: Phase, options: ErrorOptions) {
    super('store_unavailable', message, options);
    this.phase = phase;
  }
}

// Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html
const GONE = /^(08|57P0[1-5]|57014|53[0-4]|25006|55P03)/;
const DISK_FULL = '53100';
const REFUSED = /^(28|3D000|42501|3F000)/;
const BROKEN = /^(58|XX00[12]|F0)/;
const RACE = /^(40001|40P01)$/;
/** OpenSSL's names for a certificate that does not prove the server, and Node's for the wrong name in it. */
const NOT_PROVEN = /CERT|ISSUER|LEAF_SIGNATURE|ALTNAME|ERR_SSL|ERR_TLS|ERR_OSSL/;
const NO_TLS = 'The server does not support SSL connections';

/** A failure of PostgreSQL or of the way to it as one of ours; a constraint or anything else as it is. */
export function postgresFailure(cause: unknown, shown: string, phase: Phase): Error {
  if (!(cause instanceof Error)) return new Error(String(cause));
  if (cause instanceof PalyraError) return cause;
  if (cause instanceof DatabaseError) return serverFailure(cause, shown, phase);
  const code = systemCode(cause) ?? '';
  // A file that the URL names, where a connection would have another call.
  const missing = 'syscall' in cause && (cause.syscall === 'open' || cause.syscall === 'read') && 'path' in cause;
  if (missing || NOT_PROVEN.test(code) || cause.message === NO_TLS || cause.message.startsWith('SASL')) {
    return new PalyraError('config_invalid', `the server of ${shown} cannot be spoken to safely: ${cause.message}`, {
      hint: 'check sslmode, sslrootcert and the password in the database URL',
      cause,
    });
  }
  // What the driver itself objects to in a value, and only that, is a fault of the program.
  if (phase === 'statement' && (cause instanceof TypeError || cause instanceof RangeError)) return cause;
  return unavailable(cause, shown, phase);
}

/** Whether the transaction lost a race that it may win when it runs again. */
export const lostRace = (failure: Error): boolean =>
  failure.cause instanceof DatabaseError && RACE.test(failure.cause.code ?? '');

function serverFailure(cause: DatabaseError, shown: string, phase: Phase): Error {
  // They repeat values of rows, which belong in no log.
  Object.assign(cause, { detail: undefined, where: undefined, internalQuery: undefined });
  const code = cause.code ?? '';
  if (code === DISK_FULL) {
    return new PalyraError('disk_full', `the server of ${shown} has no space left`, {
      hint: 'free some space on it; nothing of this call was accepted',
      cause,
    });
  }
  if (RACE.test(code)) {
    return new PalyraError('conflict', 'another daemon changed the same rows at the same time', {
      hint: 'try again',
      cause,
    });
  }
  if (GONE.test(code)) return unavailable(cause, shown, phase);
  if (BROKEN.test(code)) {
    return new PalyraError('store_failed', `the server of ${shown} failed: ${cause.message}`, {
      hint: 'check its disk and its log',
      cause,
    });
  }
  if (REFUSED.test(code)) {
    return new PalyraError('config_invalid', `the server of ${shown} refused: ${cause.message}`, {
      hint: 'check user, password and database of the URL, and that the user owns its schema',
      cause,
    });
  }
  return cause;
}

const unavailable = (cause: Error, shown: string, phase: Phase): StoreUnavailable =>
  new StoreUnavailable(`the database ${shown} does not answer: ${cause.message}`, phase, {
    hint:
      phase === 'commit'
        ? 'it is not known whether the call was accepted; look before it is repeated'
        : 'nothing of this call was accepted; it may be repeated',
    cause,
  });
