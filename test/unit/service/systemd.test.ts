import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { runTool, type ToolResult } from '../../../src/service/run-tool.ts';
import type { ServiceMachine } from '../../../src/service/service-machine.ts';
import { Systemctl, systemctlFailure } from '../../../src/service/systemctl.ts';
import { startUnit } from '../../../src/service/systemd-start.ts';
import { systemdStatus, timestamp } from '../../../src/service/systemd-status.ts';
import { unitText } from '../../../src/service/systemd-text.ts';
import { unitPlace } from '../../../src/service/systemd-unit.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const NOW = Date.UTC(2026, 10, 25, 9, 0, 0);

const ok = (stdout: string): ToolResult => ({ code: 0, stdout, stderr: '' });

/** A machine whose tools answer what a test says. */
function machineOf(
  t: TestContext,
  answer: (line: string) => ToolResult,
): ServiceMachine & { readonly asked: string[] } {
  const userHome = mkdtempSync(join(tmpdir(), 'palyra-service-'));
  t.after(() => rmSync(userHome, { recursive: true }));
  const asked: string[] = [];
  return {
    platform: 'linux',
    uid: 1000,
    userHome,
    clock: new FakeClock(NOW),
    asked,
    userName: () => 'op',
    run: async (file, args) => {
      asked.push([file, ...args].join(' '));
      return answer(asked.at(-1) ?? '');
    },
  };
}

/** A unit of a user, as an install would have written it. */
function writeUnit(machine: ServiceMachine): void {
  const { path } = unitPlace('node', 'user', machine);
  mkdirSync(dirname(path), { recursive: true });
  const facts = { version: '1', profile: 'hardened', home: '/h', user: 'op', made_linger: true } as const;
  writeFileSync(path, unitText({ role: 'node', scope: 'user', binary: '/b', facts, systemdVersion: 252 }));
}

const SHOWN = `ActiveState=active
SubState=running
UnitFileState=enabled
MainPID=42
NRestarts=3
ActiveEnterTimestamp=Wed 2026-11-25 08:59:30 UTC
StatusText=2 nodes = online
User=
`;

test('status: what systemctl shows of a running unit', async (t) => {
  const machine = machineOf(t, () => ok(SHOWN));
  writeUnit(machine);
  assert.deepEqual(await systemdStatus({ role: 'node' }, machine), {
    installed: true,
    enabled: true,
    state: 'running',
    pid: 42,
    uptime_ms: 30_000,
    restarts: 3,
    status_text: '2 nodes = online',
    hardened: true,
    unit: unitPlace('node', 'user', machine).path,
    scope: 'user',
    user: 'op',
    home: '/h',
  });
  assert.equal(machine.asked.length, 1);
  assert.match(machine.asked[0] ?? '', /^systemctl --user --no-ask-password show palyra-node\.service/);
});

test('status: each state of systemd, and a manager that does not answer', async (t) => {
  for (const [active, sub, state] of [
    ['inactive', 'dead', 'stopped'],
    ['failed', 'failed', 'failed'],
    ['activating', 'start', 'starting'],
    ['activating', 'auto-restart', 'restarting'],
    ['deactivating', 'stop-sigterm', 'stopping'],
    ['something', 'new', 'unknown'],
  ] as const) {
    const machine = machineOf(t, () => ok(`ActiveState=${active}\nSubState=${sub}\nMainPID=0\n`));
    writeUnit(machine);
    const { state: told, pid, uptime_ms: uptime } = await systemdStatus({ role: 'node', scope: 'user' }, machine);
    assert.deepEqual([told, pid, uptime], [state, null, null]);
  }
  const silent = machineOf(t, () => ({ code: 1, stdout: '', stderr: 'Failed to connect to bus' }));
  writeUnit(silent);
  assert.equal((await systemdStatus({ role: 'node', scope: 'user' }, silent)).state, 'unknown');
});

test('status: nothing installed asks nobody', async (t) => {
  const machine = machineOf(t, () => ok(SHOWN));
  const status = await systemdStatus({ role: 'node', scope: 'user' }, machine);
  assert.deepEqual([status.installed, status.state, status.unit], [false, 'not_installed', null]);
  assert.deepEqual(machine.asked, []);
});

test('times of systemd', () => {
  assert.equal(timestamp('Wed 2026-11-25 05:07:32 UTC'), Date.UTC(2026, 10, 25, 5, 7, 32));
  for (const text of ['', 'n/a', 'Wed 2026-11-25 05:07:32 CET', undefined]) assert.equal(timestamp(text), null);
});

test('what a refusal of systemctl means', () => {
  const of = (stderr: string, scope: 'system' | 'user' = 'system') =>
    systemctlFailure({ code: 1, stdout: '', stderr }, ['stop', 'x'], scope).code;
  assert.equal(of('Failed to stop x: Access denied'), 'no_permission');
  assert.equal(of('Failed to stop x: Interactive authentication required.'), 'no_permission');
  assert.equal(of('Failed to connect to bus: No medium found', 'user'), 'service_failed');
  assert.equal(of('Job for x failed.'), 'service_failed');
});

test('a start that fails tells what the journal has of it', async (t) => {
  const machine = machineOf(t, (line) => {
    if (line.includes(' show ')) return ok('Result=exit-code\nExecMainStatus=203\n');
    if (line.startsWith('journalctl')) return ok('first\nsecond\n');
    return { code: 1, stdout: '', stderr: 'Job for palyra-node.service failed.' };
  });
  const control = { machine, systemctl: new Systemctl(machine, 'system'), place: unitPlace('node', 'system', machine) };
  await assert.rejects(startUnit(control, 'start'), (error) => {
    assert.ok(error instanceof PalyraError);
    assert.equal(error.code, 'service_failed');
    assert.match(error.message, /not become ready \(exit-code, 203, the executable cannot be started/);
    assert.deepEqual(error.details?.['journal'], ['first', 'second']);
    return true;
  });
  assert.match(machine.asked.at(-1) ?? '', /--since=@\d+ --unit=palyra-node\.service$/);
});

test('a tool that is missing, fails, or takes too long is a result', async () => {
  assert.equal((await runTool('no-such-tool', [])).code, 127);
  assert.deepEqual(await runTool('sh', ['-c', 'echo out; echo err >&2; exit 7']), {
    code: 7,
    stdout: 'out\n',
    stderr: 'err\n',
  });
  assert.equal((await runTool('sleep', ['30'], { timeoutMs: 50 })).code, 124);
  const { stdout } = await runTool('env', [], { env: { X: '1' } });
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => line.split('=')[0]);
  assert.deepEqual(new Set(names), new Set(['PATH', 'LC_ALL', 'TZ', 'X']));
});
