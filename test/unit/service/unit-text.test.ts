import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PalyraError } from '../../../src/kernel/errors.ts';
import type { ServiceRole } from '../../../src/service/service-manager.ts';
import { type UnitPlan, unitText } from '../../../src/service/systemd-text.ts';
import { readFacts } from '../../../src/service/unit-facts.ts';
import { renderUnit, unitProgram, unitWord } from '../../../src/service/unit-text.ts';

const FACTS = {
  version: '1.2.3',
  profile: 'open',
  home: '/var/lib/palyra',
  user: 'palyra-node',
  made_linger: false,
} as const;

const PLAN: UnitPlan = {
  role: 'node',
  scope: 'system',
  binary: '/usr/local/bin/palyra',
  facts: FACTS,
  account: { name: 'palyra-node', uid: 997, gid: 996 },
  systemdVersion: 252,
};

/** The settings of a unit's text: `Section.Key` -> values, as systemd reads them. */
function settings(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let section = '';
  for (const line of text.split('\n')) {
    const [, name] = /^\[(.+)\]$/.exec(line) ?? [];
    if (name !== undefined) section = name;
    const [, key, value = ''] = /^([A-Za-z]\w*)=(.*)$/.exec(line) ?? [];
    if (key !== undefined) found.set(`${section}.${key}`, [...(found.get(`${section}.${key}`) ?? []), value]);
  }
  return found;
}

const hardened = { ...FACTS, profile: 'hardened' } as const;
const ROLES: readonly ServiceRole[] = ['daemon', 'node'];

describe('the text of a unit', () => {
  test('no placeholder and no mark is left in any of its forms', () => {
    for (const role of ROLES)
      for (const scope of ['system', 'user'] as const)
        for (const facts of [FACTS, hardened])
          for (const systemdVersion of [0, 252, 257]) {
            const text = unitText({ ...PLAN, role, scope, facts, systemdVersion });
            assert.doesNotMatch(text, /\{\{|^@/m);
            assert.equal(settings(text).get('Service.Type')?.[0], 'notify');
          }
  });

  test('what both roles rely on', () => {
    for (const role of ROLES) {
      const unit = settings(unitText({ ...PLAN, role }));
      const words = role === 'node' ? 'node run' : 'daemon serve';
      assert.deepEqual(unit.get('Service.ExecStart'), [`"/usr/local/bin/palyra" ${words}`]);
      for (const [key, value] of Object.entries({
        NotifyAccess: 'all',
        Restart: 'always',
        KillMode: 'mixed',
        UMask: '0077',
        LimitCORE: '0',
        User: 'palyra-node',
        Group: '996',
      })) {
        assert.deepEqual(unit.get(`Service.${key}`), [value]);
      }
      assert.ok(Number(unit.get('Service.WatchdogSec')?.[0]) > 0);
      assert.ok(Number(unit.get('Service.TimeoutStopSec')?.[0]) > 35, 'longer than drain and kill grace');
      const unset = (unit.get('Service.UnsetEnvironment') ?? []).flatMap((line) => line.split(' '));
      for (const name of ['NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'SSLKEYLOGFILE', 'LD_PRELOAD']) {
        assert.ok(unset.includes(name), name);
      }
      assert.deepEqual(unit.get('Install.WantedBy'), ['multi-user.target']);
      assert.equal(unit.has('Service.MemoryDenyWriteExecute'), false);
      assert.equal(unit.has('Service.LimitAS'), false);
    }
  });

  test('a node keeps its control groups, hardened or not', () => {
    for (const facts of [FACTS, hardened]) {
      const unit = settings(unitText({ ...PLAN, facts }));
      assert.deepEqual(unit.get('Service.Delegate'), ['yes']);
      assert.equal(unit.has('Service.ProtectControlGroups'), false);
    }
  });

  test('open is open: nothing is taken from what a node runs', () => {
    const unit = settings(unitText(PLAN));
    const taken = [...unit.keys()].filter((key) =>
      /Protect|Private|NoNew|Restrict[^S]|SystemCall|Capab|ReadWrite/.test(key),
    );
    assert.deepEqual(taken, []);
  });

  test('hardened shows its folder, and lets root keep its rights', () => {
    const unit = settings(unitText({ ...PLAN, facts: hardened }));
    assert.deepEqual(unit.get('Service.ReadWritePaths'), ['"/var/lib/palyra/node"']);
    assert.deepEqual(unit.get('Service.NoNewPrivileges'), ['yes']);
    const root = settings(unitText({ ...PLAN, facts: hardened, account: { name: 'root', uid: 0, gid: 0 } }));
    assert.equal(root.has('Service.NoNewPrivileges'), false);
    assert.equal(root.has('Service.CapabilityBoundingSet'), false);
  });

  test('the service of a user has no other user, and starts with that user', () => {
    const unit = settings(unitText({ ...PLAN, scope: 'user', facts: hardened, account: undefined }));
    for (const key of ['User', 'Group', 'ProtectSystem', 'PrivateTmp']) assert.equal(unit.has(`Service.${key}`), false);
    assert.deepEqual(unit.get('Install.WantedBy'), ['default.target']);
  });

  test('paths below home folders and temporary ones stay visible to a hardened daemon', () => {
    const of = (home: string) => settings(unitText({ ...PLAN, role: 'daemon', facts: { ...hardened, home } }));
    assert.deepEqual(of('/var/lib/palyra').get('Service.ProtectHome'), ['yes']);
    assert.deepEqual(of('/home/op/p').get('Service.ProtectHome'), ['read-only']);
    assert.equal(of('/tmp/p').has('Service.PrivateTmp'), false);
  });

  test('its facts are read back, and those of others are not taken for ours', () => {
    const facts = { ...hardened, home: '/srv/a "b"\\%h' };
    assert.deepEqual(readFacts(unitText({ ...PLAN, facts })), facts);
    for (const text of [
      '[Service]\nExecStart=/bin/true\n',
      '\n[X-Palyra]\nFacts={',
      '\n[X-Palyra]\nFacts={"version":1}',
    ]) {
      assert.equal(readFacts(text), undefined);
    }
  });
});

test('a word of a setting', () => {
  assert.equal(unitWord('/a b/"c"\\%h'), '"/a b/\\"c\\"\\\\%%h"');
  assert.equal(unitProgram('/a$b'), '":/a$b"');
  for (const bad of ['a\nb', 'a\u0000b', '\t']) {
    assert.throws(
      () => unitWord(bad),
      (error) => error instanceof PalyraError && error.code === 'usage',
    );
  }
});

test('a template: lines under conditions, and values that must be there', () => {
  const template = 'a={{x}}\n@system b=1\n@system,hardened c={{x}}\n@user d=1';
  assert.equal(renderUnit(template, new Set(['system']), { x: '{{y}}' }), 'a={{y}}\nb=1');
  assert.equal(renderUnit(template, new Set(['system', 'hardened']), { x: '1' }), 'a=1\nb=1\nc=1');
  assert.throws(() => renderUnit(template, new Set(), {}), /asks for x/);
});
