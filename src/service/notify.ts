// Tells systemd how the service is (sd_notify(3)). Node has no datagram sockets of the unix kind, so a child calls
// systemd-notify: one for the whole life, started while the process is small, because a fork costs what is in memory.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { Clock } from '../kernel/clock.ts';
import type { Logger } from '../kernel/log.ts';
import { TOOL_PATH } from './run-tool.ts';

/** What a service tells of itself. Nothing happens where no service manager listens, and nothing here ever throws. */
export interface Notifier {
  /** It serves from now on; from now on the watchdog is fed too. */
  ready(status: string): void;
  /** One line that `systemctl status` and `palyra … status` show. */
  status(text: string): void;
  /** It drains and will end. */
  stopping(status: string): void;
  /** Lets the child go, after what was told it. Twice is no error. */
  close(): void;
}

// A line holds assignments with tabs between them. Signals are for the service: the child ends with its input.
const SCRIPT = `trap '' TERM INT HUP
set -f
IFS='\t'
while read -r line; do systemd-notify $line || exit; done`;

const STATUS_LENGTH = 200;
// Fed at a third of the interval, two may be lost.
const FEEDS = 3;
// Where there is no watchdog, READY=1 is still repeated: a message is lost when its sender has ended before an old
// systemd (below 246) looks for the unit that it belongs to.
const REPEAT_MS = 20_000;

type Child = ChildProcessByStdio<Writable, null, null>;

/** How often to feed the watchdog, in ms; undefined when there is none, or it watches another process. */
export function watchdogFeedMs(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const intervalUs = Number(env['WATCHDOG_USEC']);
  if (!Number.isSafeInteger(intervalUs) || intervalUs <= 0) return undefined;
  const watched = env['WATCHDOG_PID'];
  if (watched !== undefined && watched !== String(pid)) return undefined;
  return intervalUs / 1000 / FEEDS;
}

/** One line to the child; what could end the line or begin another assignment is no part of a status. */
export const notifyLine = (...assignments: readonly string[]): string =>
  `${assignments.map((text) => text.replace(/\p{Cc}+/gu, ' ')).join('\t')}\n`;

/**
 * Starts the notifier, if NOTIFY_SOCKET names a service manager. The watchdog is fed by timers of the asking process,
 * so a loop that no longer turns is noticed. A child that ends is started again at the next feeding.
 */
export function startNotifier(env: NodeJS.ProcessEnv, clock: Clock, log: Logger): Notifier {
  const socket = env['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') {
    return { ready: () => undefined, status: () => undefined, stopping: () => undefined, close: () => undefined };
  }
  const feedMs = watchdogFeedMs(env, process.pid);
  const feed = feedMs === undefined ? [] : ['WATCHDOG=1'];
  let child: Child | undefined;
  let state: 'READY=1' | 'STOPPING=1' | undefined;
  let closed = false;
  let complained = false;
  let stopFeeding = (): void => undefined;

  const lost = (which: Child, cause: object): void => {
    if (child !== which) return;
    child = undefined;
    if (closed || complained) return;
    complained = true;
    log.warn(cause, 'the notifier of the service manager ended; it is started again');
  };

  const start = (): Child => {
    const fresh = spawn('sh', ['-c', SCRIPT], {
      stdio: ['pipe', 'ignore', 'inherit'],
      env: { PATH: TOOL_PATH, LC_ALL: 'C', NOTIFY_SOCKET: socket },
    });
    fresh.once('error', (error) => lost(fresh, { err: error }));
    fresh.once('exit', (code, signal) => lost(fresh, { code, signal }));
    fresh.stdin.once('error', (error) => lost(fresh, { err: error }));
    fresh.unref();
    (fresh.stdin as Socket).unref();
    return fresh;
  };

  const tell = (...assignments: readonly string[]): void => {
    if (closed) return;
    child ??= start();
    // A child that does not read gets no more: old news is of no use, and must not feed the watchdog later.
    if (!child.stdin.writableNeedDrain) child.stdin.write(notifyLine(...assignments));
  };

  const keepFeeding = (): void => {
    stopFeeding();
    stopFeeding = clock.after(feedMs ?? REPEAT_MS, () => {
      if (state === undefined || closed) return;
      tell(state, ...feed);
      keepFeeding();
    });
  };

  const enter = (next: 'READY=1' | 'STOPPING=1', text: string): void => {
    state = next;
    tell(next, ...feed, statusWord(text));
    keepFeeding();
  };

  child = start();
  return {
    ready: (text) => enter('READY=1', text),
    status: (text) => tell(statusWord(text)),
    stopping: (text) => enter('STOPPING=1', text),
    close() {
      if (closed) return;
      closed = true;
      stopFeeding();
      child?.stdin.end();
    },
  };
}

const statusWord = (text: string): string => `STATUS=${text.slice(0, STATUS_LENGTH)}`;
