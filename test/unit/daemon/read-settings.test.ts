import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { addressText, listenAddress } from '../../../src/daemon/listen-address.ts';
import { readSettings } from '../../../src/daemon/read-settings.ts';
import { shownSettings } from '../../../src/daemon/shown-settings.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';

function homeWith(t: TestContext, file?: string): string {
  const home = mkdtempSync(join(tmpdir(), 'palyra-settings-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  mkdirSync(join(home, 'daemon'));
  if (file !== undefined) writeFileSync(join(home, 'daemon', 'daemon.json'), file);
  return home;
}

const refusal = (run: () => unknown): PalyraError => {
  try {
    run();
  } catch (cause) {
    assert.ok(cause instanceof PalyraError, String(cause));
    assert.equal(cause.code, 'config_invalid');
    return cause;
  }
  throw new assert.AssertionError({ message: 'it was accepted' });
};

test('a flag wins over the environment, that over the file, that over the default; each says where it came from', (t) => {
  const home = homeWith(
    t,
    '{ // comments are welcome\n "node_listen": "192.0.2.1:1", "log_level": "warn", "drain_ms": 7,\n}',
  );
  const env = { PALYRA_NODE_LISTEN: '192.0.2.2:2', PALYRA_LOG_LEVEL: 'debug', PALYRA_DEVICE_CERTIFICATE_MS: '60000' };
  const { values, origins } = readSettings({ home, flags: { node_listen: '192.0.2.3:3' }, env });
  assert.deepEqual(
    [values.node_listen, values.log_level, values.drain_ms, values.device_certificate_ms, values.database_url],
    ['192.0.2.3:3', 'debug', 7, 60_000, ''],
  );
  assert.deepEqual(
    [origins.node_listen, origins.log_level, origins.drain_ms, origins.device_certificate_ms, origins.database_url],
    [
      '--node-listen',
      'PALYRA_LOG_LEVEL',
      join(home, 'daemon', 'daemon.json'),
      'PALYRA_DEVICE_CERTIFICATE_MS',
      'default',
    ],
  );
});

test('an unknown name in the file is refused with its line and the name that was probably meant', (t) => {
  const home = homeWith(t, '{\n  "node_listn": "0.0.0.0:1"\n}');
  const error = refusal(() => readSettings({ home, flags: {}, env: {} }));
  assert.match(error.message, /daemon\.json:2:3: has no "node_listn"/);
  assert.equal(error.hint, 'did you mean "node_listen"?');
});

test('a value that does not fit names its source', (t) => {
  const home = homeWith(t);
  assert.match(
    refusal(() => readSettings({ home, flags: {}, env: { PALYRA_LOG_LEVEL: 'loud' } })).message,
    /^PALYRA_LOG_LEVEL is wrong/,
  );
  assert.match(
    refusal(() => readSettings({ home, flags: { device_certificate_ms: 1 }, env: {} })).message,
    /^--device-certificate is wrong/,
  );
  const twice = homeWith(t, '{"drain_ms": 1, "drain_ms": 2}');
  assert.match(refusal(() => readSettings({ home: twice, flags: {}, env: {} })).message, /stands here twice/);
});

test('what is shown of a database has no password', (t) => {
  const home = homeWith(t);
  const flags = { database_url: 'postgres://palyra:hunter2@db.example/palyra?sslpassword=hunter3' };
  const shown = JSON.stringify(shownSettings(readSettings({ home, flags, env: {} })));
  assert.doesNotMatch(shown, /hunter/);
  assert.match(shown, /db\.example/);
});

test('addresses to listen on: IPv4, IPv6, names, any port; nothing else', () => {
  for (const [text, host, port] of [
    ['0.0.0.0:7443', '0.0.0.0', 7443],
    ['[::]:0', '::', 0],
    [':80', '0.0.0.0', 80],
    ['daemon.example:65535', 'daemon.example', 65_535],
  ] as const) {
    assert.deepEqual(listenAddress(text), { host, port });
  }
  for (const text of ['', '7443', 'a:b', '1.2.3.4:65536', '::1:80', '[::1]', 'a b:1', 'http://a:1']) {
    refusal(() => listenAddress(text));
  }
  assert.equal(addressText({ host: '::1', port: 1 }), '[::1]:1');
});
