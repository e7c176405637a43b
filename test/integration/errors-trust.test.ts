// Bad input that needs a world of its own: codes that ran out, other authorities, wrong clocks, full disks, other users.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { parseCode } from '../../src/pake/code.ts';
import { DaemonProcess } from '../support/daemon-process.ts';
import { eventually, PairedFleet } from '../support/paired-fleet.ts';
import { refused } from '../support/refused.ts';
import { skipUnless } from '../support/require.ts';
import { AS_BUILT, RunningCli, runCli } from '../support/run-cli.ts';

// Preloaded, not by its command: that one stays between us and what we must be able to kill.
const FAKETIME = globSync('/usr/lib/*/faketime/libfaketime.so.1')[0];
const isRoot = process.geteuid?.() === 0;

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'palyra-errors-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Another PIN with the same selector that is well formed: only its secret is wrong. */
function wrongButWellFormed(shown: string): string {
  const { code: pin, selector } = parseCode(shown);
  for (let number = 0; number < 100_000; number += 1) {
    const other = pin.slice(0, -5) + String(number).padStart(5, '0');
    if (other === pin) continue;
    try {
      if (parseCode(other).selector === selector) return other;
    } catch {
      // Its check digit is wrong.
    }
  }
  throw new Error('no other PIN fits');
}

test('a PIN that is wrong, used up or too late is refused alike, and pairs nobody', async (t) => {
  const fleet = await PairedFleet.start(t);
  const other = join(fleet.nodeHome, 'other');
  const pairAs = (pin: string) => fleet.onNode(['node', 'pair', pin, '--daemon', fleet.nodeAddress], { home: other });

  const { pin } = await fleet.json<{ pin: string }>(['pairing', 'code']);
  refused(await pairAs(wrongButWellFormed(pin)), 3, 'pairing_code_invalid');

  const { pin: late } = await fleet.json<{ pin: string }>(['pairing', 'code']);
  const db = new DatabaseSync(join(fleet.daemonHome, 'daemon', 'palyra.db'), { timeout: 5_000 });
  db.exec('update pairing_codes set expires_at_unix_ms = 1');
  db.close();
  refused(await pairAs(late), 3, 'pairing_code_invalid');

  const { requests } = await fleet.json<{ requests: readonly { state: string }[] }>(['pairing', 'list']);
  assert.ok(!requests.some(({ state }) => state === 'pending_approval'), 'nobody waits');
  assert.equal(existsSync(join(other, 'node', 'node-host.json')), false);
});

test('two nodes of one name: an operator is asked which', async (t) => {
  const fleet = await PairedFleet.start(t);
  const twin = join(fleet.nodeHome, 'twin');
  const { pin } = await fleet.json<{ pin: string }>(['pairing', 'code']);
  const pairing = fleet.running(['node', 'pair', pin, '--daemon', fleet.nodeAddress, '--name', fleet.name], {
    home: twin,
  });
  const request = await eventually('a pairing request', async () => {
    const { requests } = await fleet.json<{ requests: readonly { request_id: string; state: string }[] }>([
      'pairing',
      'list',
    ]);
    return requests.find(({ state }) => state === 'pending_approval');
  });
  const approved = await fleet.operator(['pairing', 'approve', request.request_id]);
  const paired = await pairing.end;
  assert.equal(approved.code, 0, approved.stderr);
  assert.equal(paired.code, 0, paired.stderr);
  const asked = await fleet.operator(['nodes', 'describe', fleet.name]);
  refused(asked, 7, 'ambiguous_name');
  assert.match(asked.stderr, new RegExp(fleet.deviceId));
  refused(await fleet.operator(['nodes', 'exec', fleet.name, '--', 'true']), 125, 'ambiguous_name');
  const { device_id: found } = await fleet.json<{ device_id: string }>(['nodes', 'describe', fleet.deviceId]);
  assert.equal(found, fleet.deviceId, 'its id is clear');
});

test('another daemon at the address: the node believes nothing of it', async (t) => {
  const fleet = await PairedFleet.start(t);
  await fleet.stopNode();
  await fleet.daemon?.stop();
  const stranger = await DaemonProcess.start(scratch(t), { program: AS_BUILT, nodeListen: fleet.nodeAddress });
  t.after(() => stranger.stop('SIGKILL'));
  refused(await fleet.onNode(['node', 'unpair', '--yes']), 4, 'unknown_ca');
  fleet.spawnNode();
  await fleet.node?.until(({ log }) => log.some(({ code }) => code === 'unknown_ca'));
  const status = await eventually('node status says why', async () => {
    const end = await fleet.onNode(['node', 'status']);
    return /another authority/.test(end.stdout.toString()) ? end : undefined;
  });
  assert.equal(status.code, 4, status.stderr);
});

// The certificate of the daemon is back-dated by less than two days, and lasts longer.
for (const [offset, works] of [
  ['+15m', true],
  ['-15m', true],
  ['+2d', true],
  ['-2d', false],
] as const) {
  test(`row 30: with a clock that is wrong by ${offset} a node ${works ? 'pairs and works' : 'is told that it is'}`, {
    skip: skipUnless(FAKETIME !== undefined, 'needs faketime: apt-get install faketime'),
    timeout: 60_000,
  }, async (t) => {
    const fleet = await PairedFleet.start(t);
    const home = join(fleet.nodeHome, 'other');
    const env = { LD_PRELOAD: FAKETIME ?? '', FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
    const options = { home, program: AS_BUILT, env };
    const { pin } = await fleet.json<{ pin: string }>(['pairing', 'code']);
    const words = ['node', 'pair', pin, '--daemon', fleet.nodeAddress, '--name', 'late', '--allow', 'shell.execute'];
    const pairing = new RunningCli(words, options);
    t.after(() => pairing.process.kill('SIGKILL'));
    const ended = pairing.end;
    await pairing.until(({ stderr }) => /waiting for approval/.test(stderr)).catch(() => undefined);
    const { requests } = await fleet.json<{ requests: readonly { request_id: string; state: string }[] }>([
      'pairing',
      'list',
    ]);
    const request = requests.find(({ state }) => state === 'pending_approval');
    if (request !== undefined) await fleet.operator(['pairing', 'approve', request.request_id]);
    const paired = await ended;
    if (!works) {
      refused(paired, 4, 'clock_skew');
      return;
    }
    assert.equal(paired.code, 0, paired.stderr);
    const host = new RunningCli(['node', 'run'], options);
    t.after(() => host.process.kill('SIGKILL'));
    await host.until(({ log }) => log.some(({ msg }) => msg === 'connected'));
    const exec = ['nodes', 'exec', 'late', '--queue-ttl', '30s', '--timeout', '20s', '--', 'echo', 'on time'];
    const ran = await fleet.operator(exec);
    assert.equal(ran.stdout.toString(), 'on time\n', ran.stderr);
  });
}

test('a full disk is told as one, and a start on it leaves the way free for the next', {
  skip: skipUnless(isRoot, 'mounts a small file system: needs root'),
}, async (t) => {
  const home = join(scratch(t), 'small');
  mkdirSync(home, { mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'tmpfs', home]);
  try {
    const serve = ['daemon', 'serve', '--node-listen', '127.0.0.1:0', '--operator-listen', 'none'];
    refused(await runCli(serve, { home, program: AS_BUILT }), 1, 'disk_full');
    execFileSync('mount', ['-o', 'remount,size=64m', home]);
    const daemon = await DaemonProcess.start(home, { program: AS_BUILT });
    assert.equal(await daemon.stop(), 0);
  } finally {
    execFileSync('umount', [home]);
  }
});

test('a home of another user is refused with the right that is missing', {
  skip: skipUnless(isRoot, 'runs as another user: needs root'),
}, async (t) => {
  const folder = scratch(t);
  chmodSync(folder, 0o755);
  const home = join(folder, 'home');
  mkdirSync(home, { mode: 0o700 });
  const [binary = ''] = AS_BUILT;
  const own = join(folder, 'palyra');
  copyFileSync(binary, own);
  chmodSync(own, 0o755);
  const program = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', own];
  refused(
    await runCli(['daemon', 'serve', '--node-listen', '127.0.0.1:0', '--operator-listen', 'none'], { home, program }),
    7,
    'no_permission',
  );
  refused(await runCli(['node', 'pair', '4712345675'], { home, program }), 7, 'no_permission');
  assert.deepEqual(readdirSync(home), []);
});

test('a copy of the fleet that others can read restores nothing', async (t) => {
  const fleet = await PairedFleet.start(t);
  const folder = join(fleet.daemonHome, 'daemon');
  await fleet.daemon?.stop();
  for (const name of readdirSync(folder)) if (name.startsWith('palyra.db')) rmSync(join(folder, name));
  const copy = join(folder, 'node-runtime.v1.json');
  chmodSync(copy, 0o644);
  const started = await fleet.operator([
    'daemon',
    'serve',
    '--node-listen',
    fleet.nodeAddress,
    '--operator-listen',
    'none',
  ]);
  refused(started, 3, 'credential_unsafe');
  assert.match(started.stderr, /chmod/);
  chmodSync(copy, 0o600);
  await fleet.startDaemon();
  await fleet.untilPresence('online');
});
