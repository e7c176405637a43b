import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';

const ROOT = dirname(dirname(import.meta.dirname));
const MAIN = join(ROOT, 'src', 'main.ts');
const BINARY = join(ROOT, 'dist', 'palyra');

/** The program from its sources: always there, always current. */
export const FROM_SOURCES: readonly string[] = [process.execPath, MAIN];

/** The packed program where it was built, else the sources. */
export const AS_BUILT: readonly string[] = existsSync(BINARY) ? [BINARY] : FROM_SOURCES;

export interface CliEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CliOptions {
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Written to standard input, which is then closed; absent: standard input is empty. */
  readonly stdin?: Buffer | string;
  /** Options of node itself; only from the sources. */
  readonly nodeArgs?: readonly string[];
  /** FROM_SOURCES when absent. */
  readonly program?: readonly string[];
}

/** A command line that runs in a process of its own. */
export class RunningCli {
  readonly process: ChildProcess;
  readonly end: Promise<CliEnd>;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];
  #grown = Promise.withResolvers<void>();

  constructor(
    argv: readonly string[],
    { home, env = {}, stdin = '', nodeArgs = [], program = FROM_SOURCES }: CliOptions,
  ) {
    const [file = '', ...first] = program;
    this.process = spawn(file, [...nodeArgs, ...first, ...argv], {
      env: { PATH: process.env['PATH'], PALYRA_HOME: home, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.process.stdin?.on('error', () => undefined).end(stdin);
    this.#collect(this.process.stdout, this.#stdout);
    this.#collect(this.process.stderr, this.#stderr);
    this.end = new Promise((resolve, reject) => {
      this.process.once('error', reject);
      this.process.once('close', (code, signal) => {
        this.#wake();
        resolve({ code, signal, stdout: Buffer.concat(this.#stdout), stderr: Buffer.concat(this.#stderr).toString() });
      });
    });
  }

  get stdoutBytes(): number {
    return this.#stdout.reduce((sum, { length }) => sum + length, 0);
  }

  get stdout(): string {
    return Buffer.concat(this.#stdout).toString();
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString();
  }

  /** Lines of JSON on standard error so far. */
  get log(): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.stderr.split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Resolves when `seen` is true; rejects when the process ended without. */
  async until(seen: (cli: this) => boolean): Promise<void> {
    while (!seen(this)) {
      if (this.process.exitCode !== null) throw new Error(`ended with ${this.process.exitCode}: ${this.stderr}`);
      await this.#grown.promise;
    }
  }

  #collect(stream: Readable | null, into: Buffer[]): void {
    stream?.on('data', (chunk: Buffer) => {
      into.push(chunk);
      this.#wake();
    });
  }

  #wake(): void {
    this.#grown.resolve();
    this.#grown = Promise.withResolvers();
  }
}

/** Runs a command line to its end. */
export const runCli = (argv: readonly string[], options: CliOptions): Promise<CliEnd> =>
  new RunningCli(argv, options).end;
