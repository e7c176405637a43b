import { existsSync } from 'node:fs';
import { PalyraError } from '../kernel/errors.ts';
import type { ToolResult } from './run-tool.ts';
import type { ServiceMachine } from './service-machine.ts';
import type { ServiceScope } from './service-manager.ts';

// Longer than any unit of ours may take to start or stop.
const LONGEST_JOB_MS = 180_000;

/** Talks to one systemd manager: the machine's, or a user's. */
export class Systemctl {
  readonly #machine: ServiceMachine;
  readonly #scope: ServiceScope;

  constructor(machine: ServiceMachine, scope: ServiceScope) {
    this.#machine = machine;
    this.#scope = scope;
  }

  /** Runs `systemctl`, whatever comes of it. */
  async try(...words: string[]): Promise<ToolResult> {
    const manager = this.#scope === 'user' ? ['--user'] : [];
    return await this.#machine.run('systemctl', [...manager, '--no-ask-password', ...words], {
      timeoutMs: LONGEST_JOB_MS,
      env: this.#environment(),
    });
  }

  /** Runs `systemctl`. Throws `no_permission` or `service_failed` unless it succeeds. */
  async do(...words: string[]): Promise<string> {
    const result = await this.try(...words);
    if (result.code !== 0) throw systemctlFailure(result, words, this.#scope);
    return result.stdout;
  }

  /** Properties of a unit (`names` with commas between them), as `systemctl show` prints them; undefined when the manager does not answer. */
  async show(unit: string, names: string): Promise<Record<string, string> | undefined> {
    const { code, stdout } = await this.try('show', unit, `--property=${names}`);
    if (code !== 0) return undefined;
    return Object.fromEntries(
      stdout
        .split('\n')
        .filter((line) => line.includes('='))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  }

  /** The number of systemd's version, 0 if it cannot be told. */
  async version(): Promise<number> {
    const { stdout } = await this.try('--version');
    return Number(/^systemd (\d+)/.exec(stdout)?.[1] ?? 0);
  }

  // A shell that su or sudo opened does not know its user's manager.
  #environment(): Record<string, string> {
    return this.#scope === 'user' ? { XDG_RUNTIME_DIR: runtimeDir(this.#machine.uid) } : {};
  }
}

export const runtimeDir = (uid: number): string => `/run/user/${uid}`;

/** Refuses a machine that systemd does not run: containers and other init systems. */
export function assertSystemd(): void {
  if (existsSync('/run/systemd/system')) return;
  throw new PalyraError('unsupported_platform', 'systemd does not run this machine, so there is nothing to register', {
    hint: 'run palyra node run (or palyra daemon serve) in the foreground, under the supervisor that you have',
  });
}

/** What a failed `systemctl` means to the operator. */
export function systemctlFailure(
  { code, stderr }: ToolResult,
  words: readonly string[],
  scope: ServiceScope,
): PalyraError {
  const said = stderr.trim();
  const what = `systemctl ${words.join(' ')}`;
  if (/access denied|authentication|permission denied|not permitted/i.test(said)) {
    return new PalyraError('no_permission', `${what} was refused: ${said}`, { hint: 'run the same command with sudo' });
  }
  if (scope === 'user' && /connect to (user scope )?bus|XDG_RUNTIME_DIR/i.test(said)) {
    return new PalyraError('service_failed', `the service manager of this user does not run: ${said}`, {
      hint: 'log in as the user itself (not by su), or run: sudo loginctl enable-linger USER',
    });
  }
  return new PalyraError('service_failed', `${what} failed with ${code}: ${said}`);
}
