import assert from 'node:assert/strict';
import test from 'node:test';
import { builtinCapabilities } from '../../../../src/capabilities/builtin.ts';
import { LIMITS } from '../../../../src/kernel/limits.ts';
import { defaultPolicy } from '../../../../src/node/policy/default-policy.ts';
import { NodePolicy } from '../../../../src/node/policy/node-policy.ts';
import { parsePolicy } from '../../../../src/node/policy/parse-policy.ts';
import { testFacts, testRun } from '../../../support/capability-context.ts';

const capabilities = builtinCapabilities({ protectedPaths: [] });
const policyOf = (entries: Record<string, unknown>): NodePolicy =>
  new NodePolicy(parsePolicy(JSON.stringify({ version: 1, capabilities: entries }), capabilities), capabilities);

test('L4 the default lets through what harms nobody, and offers the rest with the reason why not', () => {
  const policy = new NodePolicy(defaultPolicy(), capabilities);
  const offers = policy.offers();
  assert.deepEqual(
    offers.filter(({ available }) => available).map(({ name }) => name),
    ['echo', 'system.health', 'system.identity'],
  );
  for (const { available, unavailable_reason: reason, name } of offers) {
    assert.equal(reason, available ? undefined : `${name} is denied by the owner's policy`);
  }
  assert.deepEqual(policy.shellPath(), []);
});

test('an admitted request runs on the input that was checked', async () => {
  const admission = new NodePolicy(defaultPolicy(), capabilities).admit('echo', '{"a":[1,null]}');
  const { output } = await admission.execute(testRun().context);
  assert.deepEqual(output, { echo: { a: [1, null] }, device_id: testFacts.deviceId });
});

test('row 48: what the policy denies is not run and not even parsed, whoever asks', async () => {
  const policy = new NodePolicy(defaultPolicy(), capabilities);
  for (const name of ['shell.execute', 'filesystem.read', 'filesystem.list', 'filesystem.stat']) {
    for (const input of ['{"argv":["true"]}', '{"path":"/etc/passwd"}', 'garbage', '{"approved":true}']) {
      assert.throws(() => policy.admit(name, input), { code: 'policy_denied' });
      assert.deepEqual((await policy.decide(name, input)).allowed, false);
    }
  }
  assert.throws(() => policy.admit('no.such', '{}'), { code: 'capability_unknown' });
});

test('D14 ask is a refusal that says at once that nobody can answer', async () => {
  const policy = policyOf({ echo: 'ask' });
  assert.throws(() => policy.admit('echo', '1'), { code: 'policy_denied', message: /nobody can answer yet/ });
  assert.equal(policy.offers().find(({ name }) => name === 'echo')?.available, false);
  const decision = await policy.decide('echo', '1');
  assert.equal(decision.rule, 'capabilities["echo"].decision');
});

test('row 46: unknown fields, wrong types and broken text are refused by name, and nothing recurses', () => {
  const policy = policyOf({ echo: 'allow', 'shell.execute': { decision: 'allow', programs: 'any' } });
  const bad = [
    '{"argv":["true"],"approved":true}',
    '{"argv":"true"}',
    '{"argv":[1]}',
    '{',
    Buffer.from([0x22, 0xff, 0x22]),
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    '{"__proto__":{"argv":["true"]}}',
  ];
  for (const input of bad) assert.throws(() => policy.admit('shell.execute', input), { code: 'invalid_argument' });
  assert.throws(() => policy.admit('echo', `${'[['.repeat(50_000)}`), { code: 'invalid_argument' });
  assert.throws(() => policy.admit('echo', JSON.stringify('x'.repeat(LIMITS.inputBytes))), {
    code: 'payload_too_large',
  });
  assert.throws(() => policy.admit('shell.execute', '{"argv":[]}'), /argv/);
  assert.doesNotThrow(() => policy.admit('echo', JSON.stringify({ text: '[[[['.repeat(1000) })));
});

test('no input at all is null', async () => {
  const { output } = await new NodePolicy(defaultPolicy(), capabilities).admit('echo', '').execute(testRun().context);
  assert.deepEqual(output, { echo: null, device_id: testFacts.deviceId });
});

test('the owner limits how many run, and how long', () => {
  const policy = policyOf({ echo: { decision: 'allow', concurrency: 3, max_run_ms: 1000 } });
  assert.equal(policy.concurrency('echo'), 3);
  assert.equal(policy.admit('echo', '1').maxRunMs, 1000);
  assert.equal(policy.concurrency('filesystem.read'), 16);
  assert.equal(new NodePolicy(defaultPolicy(), capabilities).admit('echo', '1').maxRunMs, undefined);
});

test('decide goes down to the rule of the capability', async () => {
  const policy = policyOf({ 'filesystem.read': { decision: 'allow', roots: ['/usr'] } });
  const inside = await policy.decide('filesystem.read', '{"path":"/usr/bin/env"}');
  assert.deepEqual(inside, { allowed: true, rule: 'capabilities["filesystem.read"].roots[0]' });
  const outside = await policy.decide('filesystem.read', '{"path":"/etc/passwd"}');
  assert.equal(outside.allowed === false && outside.code, 'path_outside_roots');
});
