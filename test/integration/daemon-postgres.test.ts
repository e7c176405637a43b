import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PairedFleet } from '../support/paired-fleet.ts';
import { PostgresServer, postgresPrograms } from '../support/postgres.ts';
import { skipUnless } from '../support/require.ts';
import { FROM_SOURCES } from '../support/run-cli.ts';

const skip = skipUnless(postgresPrograms() !== undefined, 'no PostgreSQL server is installed');

test('a daemon on PostgreSQL pairs, runs, and knows its fleet after kill -9', { skip }, async (t) => {
  const server = await PostgresServer.start();
  t.after(() => server.destroy());
  const fleet = await PairedFleet.start(t, {
    program: FROM_SOURCES,
    serveFlags: ['--database-url', server.url(await server.database())],
  });
  const first = await fleet.operator(['nodes', 'exec', fleet.name, '--', 'echo', 'one']);
  assert.equal(first.stdout.toString(), 'one\n', first.stderr);
  await fleet.daemon?.stop('SIGKILL');
  await fleet.startDaemon();
  await fleet.untilPresence('online');
  const second = await fleet.operator(['nodes', 'exec', fleet.name, '--', 'echo', 'two']);
  assert.equal(second.stdout.toString(), 'two\n', second.stderr);
  const { requests } = await fleet.json<{ requests: readonly { state: string }[] }>(['requests', 'list']);
  assert.deepEqual(
    requests.map(({ state }) => state),
    ['succeeded', 'succeeded'],
  );
});
