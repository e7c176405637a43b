import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { notifyLine, startNotifier, watchdogFeedMs } from '../../../src/service/notify.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { NotifySocket } from '../../support/notify-socket.ts';
import { missingPrograms, skipUnless } from '../../support/require.ts';
import { until } from '../../support/systemd-box.ts';

const missing = missingPrograms(['systemd-notify', 'python3', 'sh']);
const skip = skipUnless(missing.length === 0, `these programs are missing: ${missing.join(', ')}`);
const START = Date.UTC(2026, 0, 1);

function journal() {
  const lines: string[] = [];
  return { lines, log: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }) };
}

/** Shells that this process has started. */
function shells(): number[] {
  const pids = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ');
  return pids.filter((pid) => pid !== '' && readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sh\n').map(Number);
}

const withWatchdog = (path: string) => ({
  NOTIFY_SOCKET: path,
  WATCHDOG_USEC: '30000000',
  WATCHDOG_PID: String(process.pid),
});

describe('the notifier, at a real socket', { skip }, () => {
  test('ready, then a feeding each third of the interval as long as the loop turns its timers', async (t) => {
    await using socket = await NotifySocket.open();
    const clock = new FakeClock(START);
    const notifier = startNotifier(withWatchdog(socket.path), clock, journal().log);
    t.after(() => notifier.close());
    clock.advance(60_000);
    notifier.ready('1 node online');
    assert.deepEqual(await socket.message(0), ['READY=1', 'WATCHDOG=1', 'STATUS=1 node online']);
    clock.advance(9_999);
    notifier.status('2 nodes online');
    assert.deepEqual(await socket.message(1), ['STATUS=2 nodes online']);
    clock.advance(1);
    assert.deepEqual(await socket.message(2), ['READY=1', 'WATCHDOG=1']);
    clock.advance(10_000);
    assert.deepEqual(await socket.message(3), ['READY=1', 'WATCHDOG=1']);
    notifier.stopping('draining');
    assert.deepEqual(await socket.message(4), ['STOPPING=1', 'WATCHDOG=1', 'STATUS=draining']);
    clock.advance(10_000);
    assert.deepEqual(await socket.message(5), ['STOPPING=1', 'WATCHDOG=1']);
    notifier.close();
    await until('the end of the child', () => shells().length === 0);
    clock.advance(60_000);
    notifier.status('too late');
    assert.equal(clock.timers, 0);
    assert.equal(shells().length, 0);
    assert.equal(socket.heard.length, 6);
  });

  test('what a status says is never more than a status', async (t) => {
    await using socket = await NotifySocket.open();
    const notifier = startNotifier({ NOTIFY_SOCKET: socket.path }, new FakeClock(START), journal().log);
    t.after(() => notifier.close());
    notifier.status('a\nREADY=1\tMAINPID=1\r\u0000$(id) * ~ %n\\');
    assert.deepEqual(await socket.message(0), ['STATUS=a READY=1 MAINPID=1 $(id) * ~ %n\\']);
    notifier.status('x'.repeat(10_000));
    assert.equal((await socket.message(1))[0]?.length, 'STATUS='.length + 200);
  });

  test('a child that is killed takes nothing along; the next feeding has another one', async (t) => {
    await using socket = await NotifySocket.open();
    const clock = new FakeClock(START);
    const { lines, log } = journal();
    const notifier = startNotifier(withWatchdog(socket.path), clock, log);
    t.after(() => notifier.close());
    notifier.ready('up');
    await socket.message(0);
    for (let round = 1; round <= 2; round += 1) {
      const [child = 0] = shells();
      process.kill(child, 'SIGKILL');
      await until('its end', () => !shells().includes(child));
      // The exit is told to us in a later turn than /proc shows it.
      await until('the word of it', () => lines.length === 1);
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(10_000);
      assert.deepEqual(await socket.message(round), ['READY=1', 'WATCHDOG=1']);
    }
    assert.equal(lines.length, 1, lines.join());
  });

  test('nobody at the socket: one line in the log, and the service goes on', async (t) => {
    const clock = new FakeClock(START);
    const { lines, log } = journal();
    const notifier = startNotifier(withWatchdog('/nonexistent/socket'), clock, log);
    t.after(() => notifier.close());
    notifier.ready('up');
    await until('the word of it', () => lines.length === 1);
    clock.advance(10_000);
    await until('the next end', () => shells().length === 0);
    assert.equal(lines.length, 1);
  });

  test('signals of the service do not end the child before its input ends', async (t) => {
    await using socket = await NotifySocket.open();
    const notifier = startNotifier({ NOTIFY_SOCKET: socket.path }, new FakeClock(START), journal().log);
    t.after(() => notifier.close());
    notifier.ready('up');
    await socket.message(0);
    for (const child of shells()) process.kill(child, 'SIGTERM');
    notifier.stopping('draining');
    assert.deepEqual(await socket.message(1), ['STOPPING=1', 'STATUS=draining']);
  });

  test('it keeps no process alive, and ends with a process that ends', async () => {
    await using socket = await NotifySocket.open();
    const room = join(import.meta.dirname, '..', '..', '..', 'src');
    const script = `
      import { startNotifier } from ${JSON.stringify(join(room, 'service', 'notify.ts'))};
      import { systemClock } from ${JSON.stringify(join(room, 'kernel', 'clock.ts'))};
      startNotifier(process.env, systemClock, { warn() {} }).ready('short');`;
    const env = { ...process.env, NOTIFY_SOCKET: socket.path };
    const options = { env, timeout: 20_000 };
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], options);
    assert.deepEqual(await socket.message(0), ['READY=1', 'STATUS=short']);
  });
});

test('without a service manager there is no child', () => {
  const notifier = startNotifier({}, new FakeClock(START), journal().log);
  notifier.ready('up');
  notifier.stopping('down');
  notifier.close();
  if (process.platform === 'linux') assert.equal(shells().length, 0);
});

test('the watchdog is ours only if it names us', () => {
  assert.equal(watchdogFeedMs({ WATCHDOG_USEC: '3000000' }, 7), 1000);
  assert.equal(watchdogFeedMs({ WATCHDOG_USEC: '3000000', WATCHDOG_PID: '7' }, 7), 1000);
  for (const env of [
    {},
    { WATCHDOG_USEC: '3000000', WATCHDOG_PID: '8' },
    { WATCHDOG_USEC: '0' },
    { WATCHDOG_USEC: 'x' },
  ]) {
    assert.equal(watchdogFeedMs(env, 7), undefined);
  }
});

test('a line to the child has one end', () => {
  assert.equal(notifyLine('READY=1', 'STATUS=a\tb\nc'), 'READY=1\tSTATUS=a b c\n');
});
