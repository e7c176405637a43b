import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { systemClock } from '../../../src/kernel/clock.ts';
import { makeLogger } from '../../../src/kernel/log.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { parsePostgresUrl } from '../../../src/store/postgres-url.ts';
import { NO_POSTGRES, sharedPostgres } from '../../support/engines.ts';
import { openssl, skipWithoutOpenssl } from '../../support/openssl.ts';
import { freePort, PostgresServer } from '../../support/postgres.ts';

const SKIP = { skip: NO_POSTGRES };
const SECRET = 's3cr%20et/hunter2';

test('of a URL only user, host, port and database are shown', () => {
  const shown = (url: string) => parsePostgresUrl(url).shown;
  assert.equal(
    shown(`postgres://me:${encodeURIComponent(SECRET)}@db:5433/fleet?sslmode=verify-full`),
    'postgres://me@db:5433/fleet',
  );
  assert.equal(shown('postgresql://db/fleet?user=me&password=hunter2'), 'postgres://db/fleet');
  assert.equal(shown('postgres:///fleet?host=/run/postgresql'), 'postgres://%2Frun%2Fpostgresql/fleet');
  assert.equal(shown('postgres://me:hunter2@/fleet?host=/run/postgresql'), 'postgres://me@%2Frun%2Fpostgresql/fleet');
  assert.equal(shown('postgres://[::1]:5432/fleet'), 'postgres://[::1]:5432/fleet');
});

test('a weak sslmode is taken as the strong one, unless the compatible meaning is asked for', () => {
  const mode = (query: string) =>
    new URL(parsePostgresUrl(`postgres://db/fleet${query}`).secret).searchParams.get('sslmode');
  for (const weak of ['prefer', 'require', 'verify-ca', 'verify-full'])
    assert.equal(mode(`?sslmode=${weak}`), 'verify-full');
  assert.equal(mode('?sslmode=require&uselibpqcompat=true'), 'require');
  assert.equal(mode('?sslmode=no-verify'), 'no-verify');
  assert.equal(mode('?sslmode=disable'), 'disable');
  assert.equal(mode(''), null);
});

test('what is no URL of PostgreSQL is refused without being repeated', () => {
  for (const url of [
    'mysql://me:hunter2@db/x',
    'hunter2',
    '',
    'postgres://me:hunter2@[db/x',
    `postgres://${'hunter2'.repeat(1000)}`,
  ]) {
    assert.throws(
      () => parsePostgresUrl(url),
      (cause) => {
        assert.equal((cause as { code?: string }).code, 'config_invalid');
        assert.doesNotMatch(inspect(cause, { depth: 5 }), /hunter2/);
        return true;
      },
    );
  }
});

/** Opens a store that cannot be had; returns all that was said of it, in the error and in the log. */
async function said(t: TestContext, databaseUrl: string): Promise<{ code: string; text: string }> {
  const home = mkdtempSync(join(tmpdir(), 'palyra-url-'));
  t.after(() => rmSync(home, { recursive: true }));
  const fd = openSync(join(home, 'log'), 'w');
  const log = makeLogger({ level: 'debug', component: 'test', fd });
  const cause = await openStore({ home, databaseUrl, clock: systemClock, log }).then(
    async ({ store }) => {
      await store.close();
      return new Error('it was opened');
    },
    (failure: unknown) => failure as Error & { code?: string },
  );
  log.error({ err: cause }, 'not opened');
  closeSync(fd);
  const code = 'code' in cause ? String(cause.code) : cause.message;
  return { code, text: inspect(cause, { depth: 8, showHidden: true }) + readFileSync(join(home, 'log'), 'utf8') };
}

test('a database that cannot be had is told by its cause, and never with its password', SKIP, async (t) => {
  const server = await sharedPostgres();
  const good = server.url(await server.database());
  const cases: [url: string, code: string][] = [
    [good.replace(server.password, 'hunter2'), 'config_invalid'],
    [good.replace(/\/test_\d+/, '/missing'), 'config_invalid'],
    [good.replace(`palyra:${server.password}@`, 'palyra@'), 'config_invalid'],
    [`postgres://palyra:${server.password}@/x?host=/missing`, 'store_unavailable'],
    [good.replace(`:${server.port}/`, `:${await freePort()}/`), 'store_unavailable'],
    [good.replace('127.0.0.1', 'no-such-host.invalid'), 'store_unavailable'],
    [`${good}?sslmode=verify-full`, 'config_invalid'],
    [`${good}?sslmode=verify-full&sslrootcert=/missing/ca.pem`, 'config_invalid'],
  ];
  for (const [url, expected] of cases) {
    const { code, text } = await said(t, url);
    assert.equal(code, expected, text);
    assert.ok(!text.includes(server.password), 'the password is told');
    assert.doesNotMatch(text, /hunter2/);
  }
});

test('a failed constraint is told without the values of its row', SKIP, async (t) => {
  const server = await sharedPostgres();
  const home = mkdtempSync(join(tmpdir(), 'palyra-url-'));
  t.after(() => rmSync(home, { recursive: true }));
  const log = makeLogger({ level: 'error', component: 'test' });
  const { store } = await openStore({
    home,
    databaseUrl: server.url(await server.database()),
    clock: systemClock,
    log,
  });
  t.after(() => store.close());
  const write = (value: string | null) =>
    store.write((tx) =>
      tx
        .insertInto('meta')
        .values({ key: 'hunter2', value: value as string })
        .execute(),
    );
  await write('hunter2');
  for (const value of ['hunter2', null]) {
    await assert.rejects(write(value), (cause) => {
      assert.doesNotMatch(inspect(cause, { depth: 8 }), /hunter2/);
      return true;
    });
  }
});

test('TLS as the URL asks for it: proven by its CA and name, refused by another CA', {
  skip: NO_POSTGRES || skipWithoutOpenssl,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'palyra-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const selfSigned = (at: string, ...names: string[]): void => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${at}.key`];
    openssl(
      'req',
      '-x509',
      ...key,
      '-out',
      `${at}.crt`,
      '-subj',
      '/CN=test',
      '-addext',
      `subjectAltName=${names.join(',')}`,
    );
  };
  const other = join(folder, 'other');
  selfSigned(other, 'IP:127.0.0.1');
  const settings = ['ssl=on', 'ssl_cert_file=../server.crt', 'ssl_key_file=../server.key'];
  const server = await PostgresServer.start(settings, (place) => selfSigned(join(place, 'server'), 'IP:127.0.0.1'));
  t.after(() => server.destroy());
  const own = join(server.folder, 'server.crt');
  const opened = async (parameters: string) => said(t, server.url('postgres', parameters));
  for (const mode of ['verify-full', 'require']) {
    assert.equal((await opened(`?sslmode=${mode}&sslrootcert=${own}`)).code, 'it was opened', mode);
    assert.equal((await opened(`?sslmode=${mode}&sslrootcert=${other}.crt`)).code, 'config_invalid', mode);
    assert.equal((await opened(`?sslmode=${mode}`)).code, 'config_invalid', mode);
  }
  const byName = server.url('postgres', `?sslmode=verify-full&sslrootcert=${own}`).replace('127.0.0.1', 'localhost');
  assert.equal((await said(t, byName)).code, 'config_invalid');
  assert.equal((await opened('?sslmode=no-verify')).code, 'it was opened');
  const [row] = await server.query(
    'select count(*)::int as plain from pg_stat_ssl where ssl = false and pid <> pg_backend_pid()',
  );
  assert.equal(row?.['plain'], 0);
});
