import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { ARROWS, breaches, DAEMON_ROOMS } from '../../support/architecture/house-rules.ts';
import { readSource, readTree } from '../../support/architecture/source-tree.ts';

const ROOT = dirname(dirname(dirname(import.meta.dirname)));

test('the sources keep the rules of the house', (t) => {
  const files = readTree(ROOT, ['src', 'commands']);
  const imports = files.reduce((sum, file) => sum + file.files.length + file.packages.length, 0);
  t.diagnostic(`${files.length} files, ${imports} imports`);
  assert.ok(imports > 1000, `only ${imports} imports were seen`);
  assert.deepEqual(breaches(files), []);
});

test('the arrow table has no way back', () => {
  const done = new Set<string>();
  const visit = (room: string, trail: readonly string[]): void => {
    assert.ok(!trail.includes(room), [...trail, room].join(' -> '));
    if (done.has(room)) return;
    for (const target of ARROWS[room] ?? assert.fail(`${room} is not in the table`)) visit(target, [...trail, room]);
    done.add(room);
  };
  for (const room of Object.keys(ARROWS)) visit(room, []);
  for (const room of DAEMON_ROOMS) assert.ok(room in ARROWS, room);
});

/** What a file with this text at this place would break. */
const breachesOf = (path: string, text: string): string[] => breaches([readSource(path, text)], 1);

// Every kind of import, since the guard must not miss one.
const WAYS: readonly ((target: string) => string)[] = [
  (target) => `import { x } from '${target}';`,
  (target) => `import type { X } from '${target}';`,
  (target) => `import { type X } from '${target}';`,
  (target) => `import '${target}';`,
  (target) => `export { x } from '${target}';`,
  (target) => `export * from '${target}';`,
  (target) => `export type { X } from '${target}';`,
  (target) => `type X = import('${target}').X;`,
  (target) => `export const x = async () => await import('${target}');`,
  (target) => `import x = require('${target}');`,
  (target) => `export const x = require('${target}');`,
];

test('a forbidden arrow is seen in every form of import', () => {
  for (const way of WAYS) {
    const text = way('../rpc/node-service.ts');
    assert.deepEqual(
      breachesOf('src/dispatch/x.ts', text),
      ['src/dispatch/x.ts: dispatch may not import rpc (src/rpc/node-service.ts)'],
      text,
    );
    assert.deepEqual(breachesOf('src/dispatch/x.ts', way('../store/schema.ts')), [], 'an arrow that is in the table');
  }
  for (const quiet of ["// import { x } from '../rpc/x.ts'", 'const x = "import(\'../rpc/x.ts\')";']) {
    assert.deepEqual(breachesOf('src/dispatch/x.ts', quiet), [], quiet);
  }
});

test('forbidden arrows between all kinds of rooms are seen', () => {
  for (const [path, target, named] of [
    ['src/kernel/x.ts', '../store/schema.ts', 'kernel may not import store'],
    ['src/store/x.ts', '../dispatch/types.ts', 'store may not import dispatch'],
    ['src/dispatch/x.ts', '../inventory/inventory.ts', 'dispatch may not import inventory'],
    ['src/operator/x.ts', '../rpc/frames.ts', 'operator may not import rpc'],
    ['src/node/x.ts', '../pairing/pairing.ts', 'node may not import pairing'],
    ['src/capabilities/x.ts', '../node/host-config.ts', 'capabilities may not import node'],
    ['src/cli/x.ts', '../daemon/daemon.ts', 'cli may not import daemon'],
    ['src/boot/x.ts', '../kernel/clock.ts', 'boot may not import kernel'],
    ['commands/nodes/x.ts', '../../src/daemon/daemon.ts', 'commands/nodes may not import daemon'],
    ['commands/node/x.ts', '../../src/daemon/daemon.ts', 'commands/node may not import daemon'],
    ['commands/daemon/x.ts', '../../src/store/store.ts', 'commands/daemon may not import store'],
    ['commands/pairing/x.ts', '../nodes/list.ts', 'commands/pairing may not import commands/nodes'],
    ['src/utils/x.ts', '../kernel/ids.ts', 'utils is not a room of the house'],
  ] as const) {
    const text = `import type { X } from '${target}';${path.startsWith('commands') ? ' export default class {}' : ''}`;
    assert.match(breachesOf(path, text)[0] ?? '', new RegExp(named), path);
  }
});

test('a way from a node to the daemon through a third room is seen', () => {
  const files = [
    readSource('src/node/x.ts', "import { y } from '../rpc/y.ts';"),
    readSource('src/rpc/y.ts', "import type { Z } from '../dispatch/z.ts';"),
    readSource('src/dispatch/z.ts', ''),
  ];
  assert.deepEqual(breaches(files, 1), ['src/node/x.ts: reaches src/dispatch/z.ts through src/rpc/y.ts']);
});

test('files that import each other are seen', () => {
  const files = [
    readSource('src/kernel/a.ts', "import type { B } from './b.ts';"),
    readSource('src/kernel/b.ts', "import { c } from './c.ts';"),
    readSource('src/kernel/c.ts', "import { a } from './a.ts';"),
  ];
  assert.deepEqual(breaches(files, 1), [
    'a circle: src/kernel/a.ts -> src/kernel/b.ts -> src/kernel/c.ts -> src/kernel/a.ts',
  ]);
});

test('forbidden packages, clocks, state and work of modules, default exports, lengths and computed imports are seen', () => {
  for (const [path, text, named] of [
    ['src/dispatch/x.ts', "import { sql } from 'kysely';", /only the store knows SQL/],
    ['src/dispatch/x.ts', "import type { Pool } from 'pg';", /only the store knows SQL/],
    ['src/kernel/x.ts', "import { DatabaseSync } from 'node:sqlite';", /only the store knows SQL/],
    ['src/daemon/x.ts', "import { spawn } from 'node:child_process';", /start processes/],
    ['src/node/x.ts', "import { execa } from 'execa';", /start processes/],
    ['src/rpc/x.ts', "import forge from 'node-forge';", /ASN.1/],
    ['src/dispatch/x.ts', 'export const x = () => Date.now();', /Date.now beside/],
    ['src/dispatch/x.ts', 'export const x = () => new Date();', /new Date beside/],
    ['src/dispatch/x.ts', 'export const x = () => performance.now();', /performance.now beside/],
    ['src/pairing/x.ts', 'export const x = () => setTimeout(() => 1, 2);', /setTimeout beside/],
    ['src/cli/x.ts', 'export const x = () => setTimeout(() => 1, 2);', /setTimeout beside/],
    ['src/pairing/x.ts', "import { setTimeout as pause } from 'node:timers/promises';", /node:timers\/promises beside/],
    ['src/pairing/x.ts', 'let open = 0; export const x = () => (open += 1);', /a let of the module/],
    ['src/pairing/x.ts', 'export let open = 0;', /a let of the module/],
    ['src/pairing/x.ts', "process.on('exit', () => 1);", /work at import/],
    ['src/pairing/x.ts', 'export default 1;', /a default export/],
    ['commands/nodes/x.ts', 'export const x = 1;', /no default export/],
    ['src/pairing/x.ts', '\n'.repeat(301), /301 lines, at most 300/],
    ['src/pairing/x.ts', 'export const x = (name: string) => import(name);', /not written down/],
  ] as const) {
    const found = breachesOf(path, text);
    assert.equal(found.length, 1, `${path} ${text.trim()}: ${found.join('; ')}`);
    assert.match(found[0] ?? '', named);
  }
  assert.deepEqual(breachesOf('src/dispatch/x.ts', 'export const x = (at: number) => new Date(at).toISOString();'), []);
  assert.match(breachesOf('src/kernel/clock.ts', '')[0] ?? '', /exception for Date.now is not needed any more/);
});

test('a guard that sees too little is not green', () => {
  assert.match(breaches([])[0] ?? '', /only 0 files were seen/);
});
