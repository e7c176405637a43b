import { PalyraError } from '../kernel/errors.ts';

const LONGEST = 4096;

export interface PostgresUrl {
  /** For the driver; holds the password. */
  readonly secret: string;
  /** For people and logs: user, host, port and database, nothing else. */
  readonly shown: string;
}

/**
 * Checks a `postgres://` URL as libpq writes it. `sslmode` `prefer`, `require` and `verify-ca` are taken as
 * `verify-full`, unless the URL has `uselibpqcompat=true`: TLS to whoever answers protects nothing.
 * Errors: `config_invalid`, which never repeats the URL.
 */
export function parsePostgresUrl(text: string): PostgresUrl {
  // The form with a user but no host, whose host is a parameter, is libpq's own.
  const whole = text.replace('@/', '@localhost/');
  if (text.length > LONGEST || !/^postgres(ql)?:\/\//.test(text) || !URL.canParse(whole)) {
    throw new PalyraError('config_invalid', 'the database URL is not one of PostgreSQL', {
      hint: 'give it as postgres://user:password@host:5432/database?sslmode=verify-full',
    });
  }
  const url = new URL(whole);
  const { searchParams } = url;
  const weak = ['prefer', 'require', 'verify-ca'].includes(searchParams.get('sslmode') ?? '');
  if (weak && searchParams.get('uselibpqcompat') !== 'true') searchParams.set('sslmode', 'verify-full');
  const user = url.username === '' ? '' : `${url.username}@`;
  // A folder as host is a unix socket.
  const parameter = searchParams.get('host');
  const host = parameter === null ? url.host : encodeURIComponent(parameter);
  return { secret: url.href, shown: `postgres://${user}${host}${url.pathname}` };
}
