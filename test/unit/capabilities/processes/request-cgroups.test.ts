import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { openRequestCgroups } from '../../../../src/capabilities/processes/request-cgroups.ts';
import { testFolder } from '../../../support/capability-context.ts';
import { skipUnless } from '../../../support/require.ts';

const asRoot = skipUnless(process.geteuid?.() === 0, 'needs root to become another user');

/** A folder shaped like the cgroup file systems of a machine; real ones are in tree-kill.test.ts. */
function machine(folder: string, tree: string, lines: string) {
  const own = join(folder, 'cgroup');
  const mount = join(folder, 'mount');
  mkdirSync(join(mount, tree, 'system.slice/palyra-node.service'), { recursive: true });
  writeFileSync(join(mount, tree, 'system.slice/palyra-node.service/cgroup.procs'), '');
  if (tree === '') writeFileSync(join(mount, 'cgroup.controllers'), 'memory pids');
  writeFileSync(own, lines);
  return { own, mount };
}

const V2 = '0::/system.slice/palyra-node.service\n';

test('the group of this process is found on unified and on hybrid machines', (t) => {
  for (const [tree, lines] of [
    ['', V2],
    ['unified', `4:memory:/x\n1:name=systemd:/system.slice/palyra-node.service\n${V2}`],
  ] as const) {
    const { own, mount } = machine(testFolder(t), tree, lines);
    const cgroups = openRequestCgroups('DEV', own, mount);
    assert.equal(cgroups?.path, join(mount, tree, 'system.slice/palyra-node.service/palyra-DEV'));
    const group = cgroups.create('R1');
    assert.ok(group !== undefined);
    assert.equal(group.path, join(cgroups.path, 'req-R1'));
    assert.deepEqual(group.members(), []);
    assert.equal(group.remove(), true);
    cgroups.close();
    assert.equal(existsSync(cgroups.path), false);
  }
});

test('without a version 2 tree, or a file that says where we are, there are no groups', (t) => {
  const folder = testFolder(t);
  writeFileSync(join(folder, 'v1'), '1:name=systemd:/x\n');
  assert.equal(openRequestCgroups('DEV', join(folder, 'v1'), folder), undefined);
  assert.equal(openRequestCgroups('DEV', join(folder, 'none'), folder), undefined);
});

test('a tree that is not delegated to this user offers no groups, and nothing is left in it', { skip: asRoot }, (t) => {
  const folder = testFolder(t);
  chmodSync(folder, 0o755);
  const { own, mount } = machine(folder, '', V2);
  process.seteuid?.(65_534);
  try {
    assert.equal(openRequestCgroups('DEV', own, mount), undefined);
  } finally {
    process.seteuid?.(0);
  }
  assert.equal(existsSync(join(mount, 'system.slice/palyra-node.service/palyra-DEV')), false);
});
