import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PairingDaemon } from '../../../support/pairing-daemon.ts';
import { APPROVER } from '../../../support/pairing-home.ts';
import { RunningCli, runCli } from '../../../support/run-cli.ts';

function newHome(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), 'palyra-pair-cli-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

test('palyra node pair ends with 0 only after the first stream', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const home = newHome(t);
  const running = new RunningCli(
    [
      'node',
      'pair',
      await daemon.pin(),
      '--daemon',
      daemon.address,
      '--name',
      'web-1',
      '--allow',
      'shell.execute',
      '--json',
    ],
    { home },
  );
  const request = await daemon.approveNext();
  const { code, stdout, stderr } = await running.end;
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout.toString()), {
    device_id: request.deviceId,
    name: 'web-1',
    request_id: request.requestId,
    state: 'completed',
  });
  const spaced = `${request.shortString.slice(0, 3)} ${request.shortString.slice(3)}`;
  assert.ok(stderr.includes(`short string ${spaced}`), stderr);
  assert.match(stderr, /WARNING: shell\.execute is allowed with ANY PROGRAM/);
  const policy = readFileSync(join(home, 'node', 'node-policy.json'), 'utf8');
  assert.match(policy, /"programs": "any"/);
  const again = await runCli(['node', 'pair', await daemon.pin(), '--daemon', daemon.address, '--json'], { home });
  assert.equal(again.code, 7);
  assert.equal((JSON.parse(again.stderr) as { error: { code: string } }).error.code, 'already_paired');
});

test('a token comes from a file, and what is missing or wrong is said', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const home = newHome(t);
  const { token } = await daemon.pairing.mintToken({ autoApprove: true }, APPROVER);
  writeFileSync(join(home, 'token'), `${token}\n`);
  const withToken = await runCli(['node', 'pair', '--token-file', join(home, 'token'), '--daemon', daemon.address], {
    home,
  });
  assert.equal(withToken.code, 0, withToken.stderr);
  assert.match(withToken.stdout.toString(), /^paired as /);

  const [none, typo, nobody] = await Promise.all([
    runCli(['node', 'pair', '--daemon', daemon.address], { home: newHome(t) }),
    runCli(['node', 'pair', '4712345674', '--daemon', daemon.address], { home: newHome(t) }),
    runCli(['node', 'pair', '4712345675', '--daemon', '127.0.0.1:1'], { home: newHome(t) }),
  ]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /the PIN is missing .*\n\s+hint: palyra node pair PIN/);
  assert.equal(typo.code, 2);
  assert.match(typo.stderr, /\[pin_malformed\]/);
  assert.equal(nobody.code, 4);
  assert.match(nobody.stderr, /\[daemon_unreachable\]/);
});

test('stopped by its user or its time, it goes on with --resume', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const home = newHome(t);
  const first = new RunningCli(['node', 'pair', '-', '--daemon', daemon.address], {
    home,
    stdin: `${await daemon.pin()}\n`,
  });
  await first.until(() => first.stderr.includes('waiting for approval'));
  first.process.kill('SIGINT');
  const stopped = await first.end;
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, /hint: it goes on with: palyra node pair --resume/);
  const late = await runCli(['node', 'pair', '--resume', '--timeout', '1s'], { home });
  assert.equal(late.code, 8, late.stderr);
  const { requestId } = await daemon.approveNext();
  const resumed = await runCli(['node', 'pair', '--resume', '--json'], { home });
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.equal((JSON.parse(resumed.stdout.toString()) as { request_id: string }).request_id, requestId);
});
