// Each kind of bad input by itself: a clear error, its exit code, the next thing to type, and nothing changed.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { PairedFleet } from '../support/paired-fleet.ts';
import { refused } from '../support/refused.ts';
import { FROM_SOURCES } from '../support/run-cli.ts';

test('bad input is refused clearly and changes nothing', async (t) => {
  const fleet = await PairedFleet.start(t, { program: FROM_SOURCES });
  const pairAs = (pin: string, daemon = fleet.nodeAddress) =>
    fleet.onNode(['node', 'pair', pin, '--daemon', daemon], { home: join(fleet.nodeHome, 'other') });

  await t.test('wrong PIN', async () => {
    const { pin } = await fleet.json<{ pin: string }>(['pairing', 'code']);
    const { pin: other } = await fleet.json<{ pin: string }>(['pairing', 'code']);
    const { pin: gone, code_id: id } = await fleet.json<{ pin: string; code_id: string }>(['pairing', 'code']);
    assert.notEqual(pin, other);
    const revoked = await fleet.operator(['pairing', 'revoke', id]);
    assert.equal(revoked.code, 0, revoked.stderr);
    refused(await pairAs(gone), 3, 'pairing_code_invalid');
  });
  await t.test('a typo in the PIN', async () => {
    const { pin } = await fleet.json<{ pin: string }>(['pairing', 'code']);
    const last = Number(pin.at(-1));
    refused(await pairAs(`${pin.slice(0, -1)}${(last + 1) % 10}`), 2, 'pin_malformed');
  });
  await t.test('daemon down', async () => {
    refused(await pairAs('4712345675', '127.0.0.1:1'), 4, 'daemon_unreachable');
    refused(
      await fleet.operator(['nodes', 'list'], {
        home: join(fleet.daemonHome, 'none'),
        env: { PALYRA_DAEMON: '127.0.0.1:1' },
      }),
      4,
      'daemon_unreachable',
    );
  });
  await t.test('not a Palyra daemon', async () => {
    const stranger = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const address = stranger.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { pin } = await fleet.json<{ pin: string }>(['pairing', 'code']);
    refused(await pairAs(pin, `127.0.0.1:${port}`), 4, 'not_a_palyra_daemon');
    stranger.close();
  });
  await t.test('unknown node', async () => {
    refused(await fleet.operator(['nodes', 'exec', 'nobody', '--', 'true']), 125, 'node_not_found');
    refused(await fleet.operator(['nodes', 'describe', 'nobody']), 6, 'node_not_found');
  });
  await t.test('path outside the roots, a folder instead of a file, no such file', async () => {
    refused(await fleet.operator(['nodes', 'read', 'web-1', '/etc/passwd']), 5, 'path_outside_roots');
    refused(await fleet.operator(['nodes', 'read', 'web-1', fleet.readRoot]), 7, 'not_a_file');
    refused(await fleet.operator(['nodes', 'read', 'web-1', join(fleet.readRoot, 'none')]), 6, 'path_not_found');
  });
  await t.test('missing program, program that cannot be executed', async () => {
    refused(await fleet.operator(['nodes', 'exec', 'web-1', '--', 'no-such-program-here']), 127, 'program_not_found');
    writeFileSync(join(fleet.readRoot, 'plain'), 'x', { mode: 0o600 });
    refused(
      await fleet.operator(['nodes', 'exec', 'web-1', '--', join(fleet.readRoot, 'plain')]),
      126,
      'program_not_executable',
    );
  });
  await t.test('huge argument', async () => {
    const input = join(fleet.readRoot, 'huge.json');
    writeFileSync(input, JSON.stringify({ argv: ['echo', 'x'.repeat(200_000)] }));
    const { code, stderr } = await fleet.operator([
      'nodes',
      'invoke',
      'web-1',
      'shell.execute',
      '--input',
      `@${input}`,
    ]);
    assert.notEqual(code, 0);
    assert.match(stderr, /\[(spawn_failed)\]/);
  });
  await t.test('a second node host on the same home', async () => {
    refused(await fleet.onNode(['node', 'run']), 7, 'node_already_running');
  });
  await t.test('offline node; damaged node-host.json', async () => {
    await fleet.stopNode();
    refused(await fleet.operator(['nodes', 'exec', 'web-1', '--', 'true']), 125, 'node_offline');
    const path = join(fleet.nodeHome, 'node', 'node-host.json');
    const text = readFileSync(path, 'utf8');
    renameSync(path, `${path}.kept`);
    refused(await fleet.onNode(['node', 'run']), 7, 'not_paired');
    writeFileSync(path, '{ damaged', { mode: 0o600 });
    refused(await fleet.onNode(['node', 'run']), 7, 'node_config_damaged');
    assert.equal(readFileSync(path, 'utf8'), '{ damaged', 'what is damaged is left as it is');
    writeFileSync(path, text, { mode: 0o600 });
    await fleet.startNode();
    const again = await fleet.operator(['nodes', 'exec', 'web-1', '--', 'echo', 'back']);
    assert.equal(again.stdout.toString(), 'back\n', again.stderr);
  });
});
