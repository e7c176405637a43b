// What happens to a node over its years, in seconds: certificates that renew and run out, a policy that changes under it.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/kernel/clock.ts';
import { eventually, PairedFleet } from '../support/paired-fleet.ts';

const LIFE_MS = 12_000;
const SLACK_MS = 1_500;

interface Described {
  readonly device_id: string;
  readonly presence: string;
  readonly degraded_reason: string | null;
}

const certificateOf = (fleet: PairedFleet): X509Certificate =>
  new X509Certificate(readFileSync(join(fleet.nodeHome, 'node', 'identity', 'device.pem')));

const keyOf = (fleet: PairedFleet): string =>
  readFileSync(join(fleet.nodeHome, 'node', 'identity', 'device-key.pem'), 'utf8');

test('a certificate renews in use, and one that ran out comes back without a human as the same device', {
  timeout: 120_000,
}, async (t) => {
  const fleet = await PairedFleet.start(t, { env: { PALYRA_DEVICE_CERTIFICATE_MS: String(LIFE_MS) } });
  const first = certificateOf(fleet);
  const key = keyOf(fleet);

  // Work goes on over the change, which takes a new connection.
  let runs = 0;
  const renewed = await eventually('a renewed certificate', async () => {
    const { code, stderr } = await fleet.operator(['nodes', 'exec', fleet.name, '--queue-ttl', '10s', '--', 'true']);
    assert.equal(code, 0, stderr);
    runs += 1;
    const now = certificateOf(fleet);
    return now.fingerprint256 === first.fingerprint256 ? undefined : now;
  });
  t.diagnostic(`${runs} runs until the certificate was another one`);
  assert.equal(renewed.subjectAltName, first.subjectAltName);
  assert.equal(keyOf(fleet), key);
  const left = first.validToDate.getTime() - systemClock.now();
  assert.ok(left > 0, 'it renewed before the old one ran out');
  await fleet.untilPresence('online');

  await fleet.stopNode();
  const last = certificateOf(fleet);
  await systemClock.sleep(Math.max(0, last.validToDate.getTime() - systemClock.now()) + SLACK_MS);
  await fleet.startNode();
  const recovered = certificateOf(fleet);
  assert.notEqual(recovered.fingerprint256, last.fingerprint256);
  assert.equal(recovered.subjectAltName, first.subjectAltName, 'the same device');
  const { code, stderr } = await fleet.operator(['nodes', 'exec', fleet.name, '--', 'true']);
  assert.equal(code, 0, stderr);
});

test('a damaged policy denies everything and says where it is wrong; a mended one is in force without a restart', {
  timeout: 60_000,
}, async (t) => {
  const fleet = await PairedFleet.start(t);
  const path = join(fleet.nodeHome, 'node', 'node-policy.json');
  const good = readFileSync(path, 'utf8');
  const described = (): Promise<Described> => fleet.json<Described>(['nodes', 'describe', fleet.name]);
  const untilDegraded = (expected: RegExp | null): Promise<Described> =>
    eventually(`degraded_reason is ${expected}`, async () => {
      const node = await described();
      const fits = expected === null ? node.degraded_reason === null : expected.test(node.degraded_reason ?? '');
      return fits ? node : undefined;
    });

  writeFileSync(path, good.replace('"version": 1,', '"version": 1,\n  "capabilites": {},'));
  const degraded = await untilDegraded(/everything is denied: .*node-policy\.json:\d+/);
  assert.equal(degraded.presence, 'degraded');
  const denied = await fleet.operator(['nodes', 'exec', fleet.name, '--', 'true']);
  assert.match(denied.stderr, /everything is denied.*capability_unavailable/s);
  const harmless = await fleet.operator(['nodes', 'invoke', fleet.name, 'echo', '--input', '1']);
  assert.match(harmless.stderr, /everything is denied/, 'what harms nobody, too');
  await eventually('node status says so', async () => {
    const { stdout } = await fleet.onNode(['node', 'status', '--json']);
    const { degraded_reason: reason } = JSON.parse(stdout.toString()) as Described;
    return reason !== null && /everything is denied/.test(reason) ? true : undefined;
  });

  // It stays so over a restart, which is no crash.
  await fleet.stopNode();
  fleet.spawnNode();
  await untilDegraded(/everything is denied/);

  writeFileSync(path, good);
  assert.equal((await untilDegraded(null)).presence, 'online');
  const allowed = await fleet.operator(['nodes', 'exec', fleet.name, '--', 'true']);
  assert.equal(allowed.code, 0, allowed.stderr);

  // The owner takes it back: at once, for a node that is connected.
  writeFileSync(path, '{ "version": 1, "capabilities": {} }');
  await eventually('a refusal', async () => {
    const { code, stderr } = await fleet.operator(['nodes', 'exec', fleet.name, '--', 'true']);
    return code !== 0 && /denied by the owner/.test(stderr) ? true : undefined;
  });
});

test('one home is paired by one command at a time, and is left on both sides', {
  timeout: 60_000,
}, async (t) => {
  const fleet = await PairedFleet.start(t);
  const { pin } = await fleet.json<{ pin: string }>(['pairing', 'code']);
  const again = await fleet.onNode(['node', 'pair', pin, '--daemon', fleet.nodeAddress]);
  assert.match(again.stderr, /already paired|is paired as/);

  const home = join(fleet.nodeHome, 'other');
  const words = ['node', 'pair', pin, '--daemon', fleet.nodeAddress];
  const first = fleet.running(words, { home });
  t.after(() => first.process.kill('SIGKILL'));
  await first.until(({ stderr }) => /waiting for approval/.test(stderr));
  const { pin: another } = await fleet.json<{ pin: string }>(['pairing', 'code']);
  const second = await fleet.onNode(['node', 'pair', another, '--daemon', fleet.nodeAddress], { home });
  assert.equal(second.code, 7, second.stderr);
  assert.match(second.stderr, /\[node_already_running\]/);

  const running = await fleet.onNode(['node', 'unpair', '--yes']);
  assert.match(running.stderr, /palyra node stop/);
  await fleet.stopNode();
  const left = await fleet.onNode(['node', 'unpair', '--yes']);
  assert.equal(left.code, 0, left.stderr);
  const { nodes } = await fleet.json<{ nodes: readonly { device_id: string; trust: string }[] }>([
    'nodes',
    'list',
    '--trust',
    'revoked',
    '--trust',
    'removed',
  ]);
  assert.match(nodes.find(({ device_id: id }) => id === fleet.deviceId)?.trust ?? 'not there', /revoked|removed/);
  const status = await fleet.onNode(['node', 'status']);
  assert.equal(status.code, 7, status.stderr);
});
