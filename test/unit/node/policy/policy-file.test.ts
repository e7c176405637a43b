import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { builtinCapabilities } from '../../../../src/capabilities/builtin.ts';
import { defaultPolicy } from '../../../../src/node/policy/default-policy.ts';
import { loadPolicy, writePolicy } from '../../../../src/node/policy/policy-file.ts';
import { policyFromFlags } from '../../../../src/node/policy/policy-from-flags.ts';
import { testFolder } from '../../../support/capability-context.ts';
import { skipUnless } from '../../../support/require.ts';

const posix = skipUnless(process.platform !== 'win32', 'modes and owners of POSIX');
const asRoot = skipUnless(process.geteuid?.() === 0, 'needs root to give files to other users');
const capabilities = builtinCapabilities({ protectedPaths: [] });
const TEXT = '{"version":1,"capabilities":{"echo":"allow"}}';

test('without a file the default holds', async (t) => {
  const { policy, fromFile } = await loadPolicy(join(testFolder(t), 'none.json'), capabilities);
  assert.equal(fromFile, false);
  assert.deepEqual(policy.document, defaultPolicy());
});

test('what is written is read back, private, and says what it is', async (t) => {
  const path = join(testFolder(t), 'node-policy.json');
  const { document } = policyFromFlags(
    { allow: ['shell.execute'], readRoots: ['/srv'], allowScript: false },
    capabilities,
  );
  await writePolicy(path, document, capabilities);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.match(readFileSync(path, 'utf8'), /^\/\/ What operators may do/);
  const { policy, fromFile } = await loadPolicy(path, capabilities);
  assert.equal(fromFile, true);
  assert.deepEqual(policy.document, document);
});

test('a document that does not fit the schema is not written', async (t) => {
  const path = join(testFolder(t), 'node-policy.json');
  const wrong = { version: 1, capabilities: { 'shell.exec': { decision: 'allow' } } } as const;
  await assert.rejects(writePolicy(path, wrong, capabilities), { code: 'policy_invalid' });
  assert.throws(() => statSync(path), { code: 'ENOENT' });
});

test('row 39: a policy that others can write to is refused, with the fix', { skip: posix }, async (t) => {
  const path = join(testFolder(t), 'node-policy.json');
  writeFileSync(path, TEXT);
  for (const mode of [0o620, 0o602, 0o666]) {
    chmodSync(path, mode);
    await assert.rejects(loadPolicy(path, capabilities), { code: 'policy_invalid', hint: `chmod go-w ${path}` });
  }
  for (const mode of [0o600, 0o644, 0o400]) {
    chmodSync(path, mode);
    assert.equal((await loadPolicy(path, capabilities)).fromFile, true);
  }
});

test('row 39: a policy of another user is refused; root may own that of any node', {
  skip: posix || asRoot,
}, async (t) => {
  const path = join(testFolder(t), 'node-policy.json');
  writeFileSync(path, TEXT, { mode: 0o600 });
  await loadPolicy(path, capabilities, 65_534);
  chownSync(path, 65_534, 65_534);
  await loadPolicy(path, capabilities, 65_534);
  await assert.rejects(loadPolicy(path, capabilities, 0), { code: 'policy_invalid', message: /another user/ });
  await assert.rejects(loadPolicy(path, capabilities, 1000), { code: 'policy_invalid', message: /another user/ });
});

test('what is no file, or too large, is no policy', { skip: posix, timeout: 5000 }, async (t) => {
  const folder = testFolder(t);
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  for (const path of [folder, join(folder, 'fifo')])
    await assert.rejects(loadPolicy(path, capabilities), { code: 'policy_invalid' });
  writeFileSync(join(folder, 'big'), ' '.repeat(2 ** 20 + 1));
  await assert.rejects(loadPolicy(join(folder, 'big'), capabilities), { code: 'policy_invalid' });
  writeFileSync(join(folder, 'broken'), '{"version":1,}');
  await assert.rejects(loadPolicy(join(folder, 'broken'), capabilities), (error: Error) =>
    error.message.startsWith(join(folder, 'broken')),
  );
});

test('flags: any program means a rule that says so, with every default written out, and a loud word', () => {
  const { document, warnings } = policyFromFlags(
    { allow: ['shell.execute'], readRoots: [], allowScript: false },
    capabilities,
  );
  const entry = document.capabilities['shell.execute'];
  assert.equal(entry?.['programs'], 'any');
  assert.equal(entry['script'], 'deny');
  assert.ok(Array.isArray(entry['path']) && entry['path'].length > 0);
  assert.deepEqual(entry['env_from_request'], ['*']);
  assert.deepEqual(Object.keys(document.capabilities), ['echo', 'system.health', 'system.identity', 'shell.execute']);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /ANY PROGRAM/);
});

test('flags: roots allow the reading capabilities, script lines need both flags', () => {
  const flags = { allow: ['shell.execute'], readRoots: ['/srv', '/'], allowScript: true };
  const { document, warnings } = policyFromFlags(flags, capabilities);
  for (const name of ['filesystem.read', 'filesystem.list', 'filesystem.stat']) {
    assert.deepEqual(document.capabilities[name]?.['roots'], ['/srv', '/']);
  }
  assert.equal(document.capabilities['shell.execute']?.['script'], 'allow');
  assert.equal(warnings.length, 3);
  const none = policyFromFlags({ allow: ['echo'], readRoots: [], allowScript: false }, capabilities);
  assert.deepEqual(none, { document: defaultPolicy(), warnings: [] });
});

test('flags that cannot mean anything are refused with the next thing to type', () => {
  const flags = (change: object) => () =>
    policyFromFlags({ allow: [], readRoots: [], allowScript: false, ...change }, capabilities);
  assert.throws(flags({ allowScript: true }), { code: 'usage', hint: 'add --allow shell.execute' });
  assert.throws(flags({ allow: ['filesystem.read'] }), { code: 'usage', hint: /--read-root/ });
  assert.throws(flags({ allow: ['shell.exec'] }), { code: 'capability_unknown', hint: 'did you mean shell.execute?' });
  assert.throws(flags({ readRoots: ['relative'] }), { code: 'usage' });
  assert.throws(flags({ readRoots: ['/proc'] }), { code: 'usage' });
});
