import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { linuxProcesses } from '../../../../src/capabilities/processes/linux-processes.ts';
import { processEntry } from '../../../../src/capabilities/processes/process-table.ts';
import { openRequestCgroups, type RequestCgroups } from '../../../../src/capabilities/processes/request-cgroups.ts';
import { shellExecute } from '../../../../src/capabilities/shell-execute.ts';
import { sweepLeftovers } from '../../../../src/capabilities/sweep-leftovers.ts';
import { systemClock } from '../../../../src/kernel/clock.ts';
import { PalyraError } from '../../../../src/kernel/errors.ts';
import { type TestRun, testFacts, testFolder, testRun } from '../../../support/capability-context.ts';
import { endSleepers, SLEEPERS, sleepers, treeProgram } from '../../../support/process-tree.ts';
import { missingPrograms, skipUnless } from '../../../support/require.ts';

const linux = skipUnless(process.platform === 'linux', 'the form for Linux');
const missing = skipUnless(missingPrograms(['pgrep', 'setsid']).length === 0, 'needs pgrep and setsid');
const skip = linux || missing;
const probe = linux === false ? openRequestCgroups(`probe-${process.pid}`) : undefined;
probe?.close();
const noCgroups = skipUnless(probe !== undefined, 'no cgroup v2 tree that this user may write to');

const processes = linuxProcesses();
const capability = shellExecute(processes);
const rules = capability.prepare({ programs: 'any', default_cwd: '/' });
const cancelled = new PalyraError('cancelled', 'somebody cancelled it');

/** A length of sleep that only this test has. */
let count = 0;
const uniqueSeconds = (): string => {
  count += 1;
  return `3${process.pid}.${count}`;
};

function groups(t: TestContext, name = `${process.pid}-${Math.random()}`): RequestCgroups {
  const cgroups = openRequestCgroups(name);
  assert.ok(cgroups !== undefined);
  t.after(() => {
    for (const group of cgroups.existing()) group.kill();
    cgroups.close();
  });
  return cgroups;
}

const execute = (argv: string[], given: TestRun) => capability.execute({ argv }, rules, given.context);

async function untilReady(given: TestRun): Promise<void> {
  for (let look = 0; look < 500 && !given.stdout.text.includes('ready'); look += 1) await systemClock.sleep(20);
  assert.match(given.stdout.text, /ready/);
}

async function cancelTree(t: TestContext, cgroups: RequestCgroups | undefined, ignoreTerm = false) {
  const seconds = uniqueSeconds();
  t.after(() => endSleepers(seconds));
  const given = testRun({ cgroups });
  const running = execute([treeProgram(testFolder(t), seconds, ignoreTerm)], given);
  await untilReady(given);
  assert.equal(sleepers(seconds).length, SLEEPERS, 'the tree stands');
  const began = performance.now();
  given.abort(cancelled);
  const outcome = await running;
  return { outcome, ms: performance.now() - began, left: sleepers(seconds) };
}

test('row 57: with a group of its own no process of a cancelled request is left', {
  skip: skip || noCgroups,
  timeout: 60_000,
}, async (t) => {
  const cgroups = groups(t);
  const { outcome, ms, left } = await cancelTree(t, cgroups);
  assert.deepEqual(left, []);
  assert.equal(outcome.treeKill, 'cgroup');
  assert.equal(outcome.signal, 'SIGTERM');
  assert.ok(ms < 1000, `took ${ms} ms`);
  assert.deepEqual(cgroups.existing(), [], 'the group is removed');
  t.diagnostic(`cancelled in ${ms.toFixed(0)} ms`);
});

test('row 57: without one, marks and families leave at most who cleared its environment, and the result says so', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const { outcome, ms, left } = await cancelTree(t, undefined);
  t.diagnostic(`${left.length} of ${SLEEPERS} left, ${ms.toFixed(0)} ms`);
  assert.ok(left.length <= 1, `${left.length} are left`);
  assert.equal(outcome.treeKill, 'best_effort');
  assert.ok(ms < 1000, `took ${ms} ms`);
});

test('row 57: a tree that ignores SIGTERM is killed after the grace', {
  skip: skip || noCgroups,
  timeout: 60_000,
}, async (t) => {
  const { outcome, ms, left } = await cancelTree(t, groups(t), true);
  assert.deepEqual(left, []);
  assert.equal(outcome.signal, 'SIGKILL');
  assert.ok(ms > 4500 && ms < 7500, `took ${ms} ms`);
});

test('row 57: a program that ignores SIGTERM is killed after the grace, also without a group', {
  skip,
  timeout: 60_000,
}, async () => {
  const given = testRun();
  const running = execute(['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.1; done'], given);
  await untilReady(given);
  const began = performance.now();
  given.abort(cancelled);
  const { signal } = await running;
  assert.equal(signal, 'SIGKILL');
  assert.ok(performance.now() - began < 7500);
});

test('row 57: a stopped program hears the end too', { skip, timeout: 60_000 }, async () => {
  const given = testRun();
  const running = execute(['sh', '-c', 'trap "echo bye; exit 9" TERM; echo ready; kill -STOP $$; sleep 60'], given);
  await untilReady(given);
  const { pid = 0 } = given.started[0] ?? {};
  for (let look = 0; look < 200 && !isStopped(pid); look += 1) await systemClock.sleep(10);
  const began = performance.now();
  given.abort(cancelled);
  const { exitCode } = await running;
  assert.ok(performance.now() - began < 1500, `took ${performance.now() - began} ms`);
  assert.equal(exitCode, 9);
  assert.match(given.stdout.text, /bye/);
});

const isStopped = (pid: number): boolean => processEntry(pid)?.state === 'T';

test('D13 what a handler of SIGTERM prints is captured, and its exit code is the result', {
  skip,
  timeout: 60_000,
}, async () => {
  const given = testRun();
  const running = execute(
    ['sh', '-c', 'trap "sleep 0.3; echo cleaned up; exit 5" TERM; echo ready; while :; do sleep 0.05; done'],
    given,
  );
  await untilReady(given);
  given.abort(new PalyraError('timed_out', 'the run time limit was reached'));
  const { exitCode, treeKill } = await running;
  assert.equal(exitCode, 5);
  assert.equal(treeKill, 'best_effort');
  assert.match(given.stdout.text, /cleaned up/);
});

test('an abort before the start starts nothing', { skip }, async () => {
  const given = testRun();
  given.abort(cancelled);
  await assert.rejects(execute(['true'], given), cancelled);
  assert.deepEqual(given.started, []);
});

test('a cancel does not wait for a reader that is gone', { skip, timeout: 60_000 }, async () => {
  const given = testRun({ stdout: { write: () => new Promise(() => undefined) } });
  const running = execute(['sh', '-c', 'echo ready >&2; yes'], given);
  for (let look = 0; look < 200 && given.stderr.text === ''; look += 1) await systemClock.sleep(10);
  const began = performance.now();
  given.abort(cancelled);
  await running;
  assert.ok(performance.now() - began < 2500, `took ${performance.now() - began} ms`);
});

test('row 57: who writes itself into another group is found by its mark, and the result says best effort', {
  skip: skip || noCgroups,
  timeout: 60_000,
}, async (t) => {
  const cgroups = groups(t);
  const seconds = uniqueSeconds();
  t.after(() => endSleepers(seconds));
  const given = testRun({ cgroups });
  const flee = `echo $$ > ${cgroups.path}/../cgroup.procs; exec sleep ${seconds}`;
  const running = execute(['sh', '-c', `setsid sh -c '${flee}' & sleep 0.3; echo ready; sleep 60`], given);
  await untilReady(given);
  given.abort(cancelled);
  const { treeKill } = await running;
  assert.deepEqual(sleepers(seconds), []);
  assert.equal(treeKill, 'best_effort');
});

test('a group with a group in it ends as a whole and is removed', {
  skip: skip || noCgroups,
  timeout: 60_000,
}, async (t) => {
  const cgroups = groups(t);
  const seconds = uniqueSeconds();
  t.after(() => endSleepers(seconds));
  const given = testRun({ cgroups });
  const own = `${cgroups.path}/req-${given.context.requestId}`;
  const running = execute(
    [
      'sh',
      '-c',
      `mkdir ${own}/inner && echo $$ > ${own}/inner/cgroup.procs; setsid env -i sleep ${seconds} & echo ready; wait`,
    ],
    given,
  );
  await untilReady(given);
  given.abort(cancelled);
  assert.equal((await running).treeKill, 'cgroup');
  assert.deepEqual(sleepers(seconds), []);
  assert.equal(existsSync(own), false);
});

test('a group that vanished does not keep a program from running', { skip: skip || noCgroups }, async (t) => {
  const cgroups = groups(t);
  const vanishing = {
    ...cgroups,
    create(requestId: string) {
      const group = cgroups.create(requestId);
      group?.remove();
      return group;
    },
  };
  const given = testRun({ cgroups: vanishing });
  const { exitCode } = await execute(['sh', '-c', 'echo ran; exit 4'], given);
  assert.deepEqual([exitCode, given.stdout.text, given.stderr.text], [4, 'ran\n', '']);
});

test('what stays in the background after a good end keeps its group, and the group goes when it does', {
  skip: skip || noCgroups,
  timeout: 60_000,
}, async (t) => {
  const cgroups = groups(t);
  const given = testRun({ cgroups });
  const { exitCode, treeKill } = await execute(['sh', '-c', 'sleep 0.6 >/dev/null 2>&1 & exit 0'], given);
  assert.deepEqual([exitCode, treeKill], [0, undefined]);
  assert.equal(cgroups.existing().length, 1);
  for (let look = 0; look < 100 && (cgroups.existing()[0]?.members().length ?? 0) > 0; look += 1)
    await systemClock.sleep(20);
  await execute(['true'], testRun({ cgroups }));
  assert.deepEqual(cgroups.existing(), []);
});

test('a pid that a stranger has by now is not signalled', { skip, timeout: 60_000 }, async (t) => {
  const stranger = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  t.after(() => stranger.kill('SIGKILL'));
  await once(stranger, 'spawn');
  const pid = stranger.pid ?? 0;
  const recorded = [{ pid, startTime: '1' }];
  const swept = await processes.sweep('01ARZ3NDEKTSV4RRFFQ69G5FAX', recorded, systemClock);
  assert.deepEqual(swept.ended, []);
  process.kill(pid, 0);
  const right = [{ pid, startTime: processEntry(pid)?.startTime ?? '' }];
  const exited = once(stranger, 'exit');
  assert.deepEqual((await processes.sweep('01ARZ3NDEKTSV4RRFFQ69G5FAX', right, systemClock)).ended, [pid]);
  await exited;
});

/** Starts the tree as a node would that is killed with SIGKILL a moment later: nobody waits for it any more. */
function orphanTree(
  t: TestContext,
  deviceId: string,
  seconds: string,
  group?: string,
): { pid: number; startTime: string } {
  const program = treeProgram(testFolder(t), seconds);
  const enter = group === undefined ? `exec ${program}` : `echo $$ > ${group}/cgroup.procs; exec ${program}`;
  const child = spawn('sh', ['-c', enter], {
    detached: true,
    stdio: 'ignore',
    env: { PATH: '/bin:/usr/bin', PALYRA_DEVICE_ID: deviceId, PALYRA_REQUEST_ID: 'R1' },
  });
  child.unref();
  const pid = child.pid ?? 0;
  return { pid, startTime: processEntry(pid)?.startTime ?? '' };
}

async function untilTreeStands(seconds: string): Promise<void> {
  for (let look = 0; look < 250 && sleepers(seconds).length < SLEEPERS; look += 1) await systemClock.sleep(20);
  assert.equal(sleepers(seconds).length, SLEEPERS);
}

test('G2 the next start ends what a killed node left: in its groups everything', {
  skip: skip || noCgroups,
  timeout: 60_000,
}, async (t) => {
  const deviceId = `sweep-${process.pid}`;
  const cgroups = groups(t, deviceId);
  const seconds = uniqueSeconds();
  t.after(() => endSleepers(seconds));
  const leader = orphanTree(t, deviceId, seconds, cgroups.create('R1')?.path);
  await untilTreeStands(seconds);
  const again = openRequestCgroups(deviceId);
  const swept = await sweepLeftovers({ deviceId, recorded: [leader], cgroups: again, processes, clock: systemClock });
  assert.deepEqual(sleepers(seconds), []);
  assert.deepEqual(swept.survivors, []);
  assert.ok(swept.ended.includes(leader.pid));
  assert.deepEqual(
    readdirSync(cgroups.path).filter((name) => name.startsWith('req-')),
    [],
  );
});

test('G2 without groups the next start ends it by mark and record, and nobody else', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const deviceId = `sweep-plain-${process.pid}`;
  const [mine, other] = [uniqueSeconds(), uniqueSeconds()];
  t.after(() => endSleepers(mine));
  t.after(() => endSleepers(other));
  const leader = orphanTree(t, deviceId, mine);
  orphanTree(t, `${deviceId}-other`, other);
  await Promise.all([untilTreeStands(mine), untilTreeStands(other)]);
  const swept = await sweepLeftovers({
    deviceId,
    recorded: [leader],
    cgroups: undefined,
    processes,
    clock: systemClock,
  });
  assert.ok(sleepers(mine).length <= 1, 'at most the one that cleared its environment');
  assert.ok(swept.ended.length >= 4);
  assert.equal(sleepers(other).length, SLEEPERS, 'another device is left alone');
});

test('a node that was started by a request does not end itself', { skip, timeout: 60_000 }, async () => {
  process.env['PALYRA_DEVICE_ID'] = 'not-read-from-here';
  const self = processEntry(process.pid);
  const swept = await processes.sweep(
    testFacts.deviceId,
    [{ pid: process.pid, startTime: self?.startTime ?? '' }],
    systemClock,
  );
  assert.equal(swept.ended.includes(process.pid), false);
  assert.equal(swept.ended.includes(process.ppid), false);
  delete process.env['PALYRA_DEVICE_ID'];
});
