import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { StepFailed } from './step.ts';

const ROOT = dirname(import.meta.dirname);
export const BINARY = join(ROOT, 'dist', process.platform === 'win32' ? 'palyra.exe' : 'palyra');

const LOOK_MS = 100;
const LONGEST_WAIT_MS = 60_000;
const STOP_MS = 10_000;
const LOG_LINES = 15;

const run = promisify(execFile);
const environment = (home: string): NodeJS.ProcessEnv => {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('PALYRA_'));
  return { ...Object.fromEntries(own), PALYRA_HOME: home };
};

/** Standard output of a command line; a failure is told with what it printed. */
export async function palyra(home: string, words: readonly string[], { mayFail = false } = {}): Promise<string> {
  try {
    return (await run(BINARY, words, { env: environment(home), timeout: LONGEST_WAIT_MS })).stdout;
  } catch (cause) {
    const { stdout, stderr } = cause as { readonly stdout?: string; readonly stderr?: string };
    if (mayFail && stdout !== undefined && stdout !== '') return stdout;
    throw new StepFailed(`palyra ${words.join(' ')} failed\n${stderr ?? String(cause)}`, { cause });
  }
}

/** The document that a command line prints. */
export const palyraJson = async <T>(home: string, words: readonly string[], options = {}): Promise<T> =>
  JSON.parse(await palyra(home, [...words, '--json'], options)) as T;

/** Looks until there is something to see, for a minute at most. */
export async function until<T>(
  what: string,
  signal: AbortSignal,
  look: () => Promise<T | undefined>,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + LONGEST_WAIT_MS;
  while (performance.now() < deadline) {
    signal.throwIfAborted();
    const seen = await look();
    if (seen !== undefined && seen !== null) return seen;
    await pause(LOOK_MS, undefined, { signal });
  }
  throw new StepFailed(`waited a minute for ${what}`);
}

/** A daemon or a node that runs until it is stopped. */
export class Host {
  readonly #name: string;
  readonly #log: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;

  constructor(name: string, home: string, words: readonly string[], log: string) {
    this.#name = name;
    this.#log = log;
    const file = openSync(log, 'a', 0o600);
    // A session of its own: a Ctrl-C of the terminal reaches only us, and we end them in their order.
    this.#process = spawn(BINARY, words, { env: environment(home), stdio: ['ignore', file, file], detached: true });
    closeSync(file);
    this.#ended = new Promise((resolve) => {
      this.#process.once('exit', () => resolve());
      this.#process.once('error', () => resolve());
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get #isRunning(): boolean {
    const { pid, exitCode, signalCode } = this.#process;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  /** Throws with the end of its log when it is not there any more. */
  assertRunning(): void {
    if (this.#isRunning) return;
    const lines = readFileSync(this.#log, 'utf8').trimEnd().split('\n').slice(-LOG_LINES);
    throw new StepFailed(`the ${this.#name} has ended:\n${lines.join('\n')}`);
  }

  /** Rejects when it ends by itself. */
  async lost(): Promise<void> {
    await this.#ended;
    this.assertRunning();
  }

  /** Asks it to end, and ends it when it has not after a while. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#process.kill('SIGTERM');
    const stop = new AbortController();
    await Promise.race([this.#ended, pause(STOP_MS, undefined, { signal: stop.signal }).catch(() => undefined)]);
    stop.abort();
    if (!this.#isRunning) return;
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}
