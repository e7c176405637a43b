import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { OperatorDaemon } from '../../support/operator-daemon.ts';
import { runCli } from '../../support/run-cli.ts';
import { ScriptedNode } from '../../support/scripted-node.ts';

const RECORDER = join(import.meta.dirname, '..', '..', 'support', 'record-imports.ts');
const folder = mkdtempSync(join(tmpdir(), 'palyra-imports-'));
let daemon: OperatorDaemon;

before(async () => {
  daemon = await OperatorDaemon.start();
  new ScriptedNode(await daemon.addDevice('web-1'), async ({ write }) => {
    await write('stdout', 'hi');
    return {};
  }).connect(daemon.dispatcher);
});
after(async () => {
  await daemon.stop();
  rmSync(folder, { recursive: true });
});

/** Packages and rooms of ours that a command line loaded. */
async function loaded(...argv: string[]): Promise<{ readonly packages: Set<string>; readonly rooms: Set<string> }> {
  const file = join(folder, argv.join('-').replaceAll('/', '_'));
  const { code, stderr } = await runCli(argv, {
    home: daemon.home,
    env: { PALYRA_TEST_IMPORTS: file },
    nodeArgs: ['--import', RECORDER],
  });
  assert.equal(code, 0, stderr);
  const urls = readFileSync(file, 'utf8').trim().split('\n');
  const named = (pattern: RegExp): Set<string> =>
    new Set(urls.flatMap((url) => pattern.exec(url)?.[1] ?? []).filter((name) => name !== '.package-lock.json'));
  return {
    packages: named(/\/node_modules\/((?:@[^/]+\/)?[^/]+)\//),
    rooms: named(/\/src\/([a-z0-9]+)\//),
  };
}

// What the daemon and the node need, and why a command that only asks must not wait for it.
const HEAVY: Readonly<Record<string, string>> = {
  zod: 'the daemon validates',
  '@grpc/grpc-js': '423 KB for the node port',
  '@grpc/proto-loader': 'for the node port',
  protobufjs: 'for the node port',
  'node-forge': 'certificates',
  conf: 'the node configuration, ajv inside',
  ajv: 'comes with conf',
  pino: 'operator commands do not log',
  kysely: 'the store',
  pg: 'the store',
  hono: 'the HTTP edge',
  '@hono/node-server': 'the HTTP edge; touches Request',
  execa: 'processes of the node',
  '@noble/curves': 'pairing',
};

test('nodes exec loads the client, oclif and little else', async () => {
  const { packages, rooms } = await loaded('nodes', 'exec', 'web-1', '--', 'x');
  for (const [name, why] of Object.entries(HEAVY)) assert.ok(!packages.has(name), `${name}: ${why}`);
  for (const name of ['cli-table3', 'pretty-ms', 'pretty-bytes'])
    assert.ok(!packages.has(name), `${name} draws tables`);
  assert.ok(packages.has('@oclif/core'), 'the recorder saw something');
  assert.deepEqual([...rooms].sort(), ['cli', 'kernel', 'wire']);
});

test('lists load what draws them only when a table is asked for', async () => {
  const { packages, rooms } = await loaded('nodes', 'list', '--json');
  for (const name of [...Object.keys(HEAVY), 'cli-table3', 'pretty-ms']) assert.ok(!packages.has(name), name);
  assert.deepEqual([...rooms].sort(), ['cli', 'kernel', 'wire']);
  const table = await loaded('nodes', 'list');
  assert.ok(table.packages.has('cli-table3'));
  for (const name of Object.keys(HEAVY)) assert.ok(!table.packages.has(name), name);
});
