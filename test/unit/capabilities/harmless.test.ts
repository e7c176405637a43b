import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import test from 'node:test';
import type { Capability } from '../../../src/capabilities/capability.ts';
import { echo } from '../../../src/capabilities/echo.ts';
import { systemHealth } from '../../../src/capabilities/system-health.ts';
import { systemIdentity } from '../../../src/capabilities/system-identity.ts';
import { testFacts, testRun } from '../../support/capability-context.ts';

async function call(capability: Capability, input: unknown): Promise<Record<string, unknown>> {
  const parsed = capability.input.parse(input);
  const { output } = await capability.execute(parsed, capability.prepare({}), testRun().context);
  return capability.output.parse(output) as Record<string, unknown>;
}

test('echo gives any JSON back, with the device that did', async () => {
  for (const input of [null, true, 1.5, 'ä\n', [1, [2, {}]], { a: { b: [null] }, '': 0 }]) {
    assert.deepEqual(await call(echo, input), { echo: input, device_id: testFacts.deviceId });
  }
  await assert.rejects(call(echo, 'x'.repeat(300 * 1024)), { code: 'payload_too_large' });
});

test('system.health has the fields it always had, and figures that can be true', async () => {
  const health = await call(systemHealth, { anything: 'is ignored' });
  assert.equal(health['status'], 'ok');
  assert.equal(health['device_id'], testFacts.deviceId);
  assert.equal(health['grpc_url'], testFacts.daemonAddress);
  assert.ok(Math.abs(Number(health['generated_at_unix_ms']) - Date.now()) < 5000);
  const memory = health['memory'] as Record<string, number>;
  assert.ok(
    Number(memory['available_bytes']) > 0 && Number(memory['available_bytes']) <= Number(memory['total_bytes']),
  );
  const disk = health['disk'] as Record<string, number>;
  assert.ok(Number(disk['total_bytes']) > 0);
});

test('system.identity has the fields it always had, and says as whom and where programs run', async () => {
  const identity = await call(systemIdentity, null);
  assert.equal(identity['device_id'], testFacts.deviceId);
  assert.equal(identity['identity_fingerprint'], testFacts.identityFingerprint);
  assert.equal(identity['grpc_url'], testFacts.daemonAddress);
  assert.equal(identity['paired_at_unix_ms'], testFacts.pairedAtUnixMs);
  assert.equal(identity['hostname'], hostname());
  assert.deepEqual(identity['shell_path'], testFacts.shellPath);
  assert.notEqual(identity['user'], '');
});

test('each of them is always allowed by its own rule', async () => {
  for (const capability of [echo, systemHealth, systemIdentity] as Capability[]) {
    assert.deepEqual(await capability.decide(null, undefined), {
      allowed: true,
      rule: `capabilities["${capability.name}"]`,
    });
  }
});
