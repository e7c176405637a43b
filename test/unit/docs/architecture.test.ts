import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ARROWS } from '../../support/architecture/house-rules.ts';

const ROOT = dirname(dirname(dirname(import.meta.dirname)));
const page = readFileSync(join(ROOT, 'docs', 'architecture.md'), 'utf8');

test('every file and folder that the page names is there', (t) => {
  const named = [...page.matchAll(/`((?:src|commands|proto|test|installers|scripts)\/[^`]*)`/g)].map(
    ([, path = '']) => path,
  );
  t.diagnostic(`${named.length} paths`);
  assert.ok(named.length > 60);
  assert.deepEqual(
    named.filter((path) => !existsSync(join(ROOT, path))),
    [],
  );
});

test('every room of the house is in its table', () => {
  const listed = [...page.matchAll(/`src\/(\w+)\/`/g)].map(([, room = '']) => room);
  const rooms = Object.keys(ARROWS).filter((room) => !/^(commands|main$|boot$)/.test(room));
  assert.deepEqual([...new Set(listed)].sort(), rooms.sort());
});

/** Whether a text declares a name, or has it as a literal, outside of comments. */
function declares(text: string, name: string): boolean {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
  if (name.startsWith("'")) return code.includes(name);
  return new RegExp(`\\b(?:class|interface|type|function|const|service|rpc) ${name}\\b|\\b${name}\\??:`).test(code);
}

/** The seed's names, which the program must keep (its design card and documentation). */
const SEED = [
  'NodeRuntimeState',
  'PersistedNodeRuntimeState',
  'node-runtime.v1.json',
  'NodeService',
  'NodeRpcServiceImpl',
  'TlsConnectInfo',
  'enforce_cert_bound_device',
  'IdentityManager',
  'InventoryDeviceRecord',
  'CapabilityDispatch',
  'shell.execute',
  'filesystem.read',
  'node-host.json',
  'device_id',
  'grpc_url',
  'identity store',
  'ApprovalCreateRequest',
  'ApprovalSubjectType::Pairing',
  'PendingApproval',
  'Approved',
  'Completed',
  'Rejected',
];

test('each name of the first Palyra exists where the page says', (t) => {
  const rows = [...page.matchAll(/^\| ([^|`]+) \| `([^`]+)` \| `([^`]+)` \| [^|]+ \|$/gm)];
  t.diagnostic(`${rows.length} names`);
  const named = rows.map(([, seed]) => seed);
  assert.deepEqual(
    SEED.filter((name) => !named.includes(name)),
    [],
  );
  for (const [, , name = '', path = ''] of rows) {
    assert.ok(declares(readFileSync(join(ROOT, path), 'utf8'), name), `${path} does not declare ${name}`);
  }
});

test('a name that only a comment has does not count', () => {
  assert.equal(declares('// the class IdentityManager\nexport const x = 1;', 'IdentityManager'), false);
  assert.equal(declares('/** interface Other {} */', 'Other'), false);
  assert.equal(declares('export class IdentityManager {}', 'IdentityManager'), true);
  assert.equal(declares('export class IdentityManagers {}', 'IdentityManager'), false);
  assert.equal(declares("const a = 'pairing';", "'pairing'"), true);
  assert.equal(declares("// 'pairing'\nconst a = 1;", "'pairing'"), false);
});
