// A real systemd to test against: a minimal Debian booted by systemd-nspawn with its own PID 1, journal, D-Bus and
// logind. Needs root, Linux, and the packages systemd-container and mmdebstrap.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { missingPrograms, skipUnless } from './require.ts';
import { baseImage } from './systemd-box-image.ts';

export interface BoxResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface BootOptions {
  /** Path inside the box -> path outside, mounted read-only. */
  readonly binds?: Readonly<Record<string, string>>;
}

export interface BoxOptions extends BootOptions {
  /** `unified`: cgroup v2 only, as current systems boot. `hybrid`: the outer machine's own shape. */
  readonly cgroups?: 'unified' | 'hybrid';
}

// The outer machine's cgroup trees; a pure v2 machine has the last one only.
const CGROUP_TREES = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'];
// nspawn ends with this when the box asked for a reboot and --keep-unit was given.
const REBOOT_CODE = 133;
const UP_MS = 60_000;
const BOX_ENV = {
  HOME: '/root',
  LANG: 'C.UTF-8',
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};

/** The `skip` option of tests that boot a box. */
export function skipWithoutBox(): string | false {
  const missing = missingPrograms(['systemd-nspawn', 'mmdebstrap', 'nsenter', 'setpriv']);
  return (
    skipUnless(process.platform === 'linux' && process.geteuid?.() === 0, 'a systemd box needs root on Linux') ||
    skipUnless(missing.length === 0, `a systemd box needs ${missing.join(', ')} (apt: systemd-container mmdebstrap)`)
  );
}

/** One machine with systemd. It and its files are gone when the test process is, whatever happens to that. */
export class SystemdBox {
  /** The root folder, seen from outside: files can be put in place through it. */
  readonly root: string;
  readonly #folder: string;
  readonly #options: BoxOptions;
  #guardian: ChildProcess | undefined;
  #nspawn: ChildProcess | undefined;
  #wanted = false;

  private constructor(folder: string, options: BoxOptions) {
    this.#folder = folder;
    this.root = join(folder, 'root');
    this.#options = options;
  }

  /**
   * Ends the box with the test process, whatever happens to that: nspawn would go, but the box's PID 1 stay. What
   * waits for the end of its input is in a session of its own, so that Ctrl-C does not reach it.
   */
  #guard(): ChildProcess {
    const name = basename(this.#folder);
    const groups = CGROUP_TREES.map((tree) => join(tree, name)).join(' ');
    const script = `cat >/dev/null
for round in 1 2 3 4 5 6 7 8 9 10; do
  pids=$(find ${groups} -name cgroup.procs -exec cat {} + 2>/dev/null) || true
  for pid in $pids; do kill -9 $pid 2>/dev/null; done
  [ -n "$pids" ] || break
  sleep 0.2
done
rm -rf --one-file-system ${this.#folder}
find ${groups} -depth -type d -exec rmdir {} ';' 2>/dev/null`;
    return spawn('sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], env: BOX_ENV });
  }

  /** Unpacks a fresh box (a few seconds; 40 s more when the image must be made first) and boots it. */
  static async start(options: BoxOptions = {}): Promise<SystemdBox> {
    const image = await baseImage();
    const box = new SystemdBox(mkdtempSync(join(tmpdir(), 'palyra-box-')), options);
    box.#guardian = box.#guard();
    mkdirSync(box.root);
    // Without a test process it would go on to unpack what the guardian has removed.
    await outside('setpriv', ['--pdeathsig', 'KILL', 'tar', '-xpf', image, '-C', box.root]);
    writeFileSync(join(box.root, 'etc/hosts'), '127.0.0.1 localhost testbox\n::1 localhost\n');
    writeFileSync(join(box.root, 'etc/hostname'), 'testbox\n');
    writeFileSync(join(box.root, 'etc/machine-id'), '');
    mkdirSync(join(box.root, 'var/log/journal'), { recursive: true });
    await box.boot();
    return box;
  }

  /** Boots it, if it is down, and waits until systemd says that it is up. */
  async boot(): Promise<void> {
    this.#wanted = true;
    if (this.#nspawn === undefined) this.#launch();
    await this.#untilUp();
  }

  /** Runs a program in the box, outside of every unit. */
  async exec(argv: readonly string[], { timeoutMs = 60_000, input = '' } = {}): Promise<BoxResult> {
    const leader = this.#leader();
    if (leader === undefined) throw new Error('the box is not running');
    // A session of its own: `kill 0` of what runs in there (a service that has no pid) would reach whoever tests.
    return await finished('nsenter', [...namespacesOf(leader), 'setsid', '--wait', ...argv], { timeoutMs, input });
  }

  /** A line for `sh` in the box; its standard output without the last newline. Fails unless it exits with 0. */
  async sh(line: string, options: { timeoutMs?: number } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.exec(['sh', '-c', line], options);
    if (code !== 0) throw new Error(`exit ${code} in the box: ${line}\n${stdout}${stderr}`);
    return stdout.replace(/\n$/, '');
  }

  /** The same as another user, with what a login of that user would have. */
  async as(user: string, argv: readonly string[], options: { timeoutMs?: number } = {}): Promise<BoxResult> {
    const uid = await this.sh(`id -u ${user}`);
    const login = [`HOME=/home/${user}`, `USER=${user}`, `LOGNAME=${user}`, `PATH=${BOX_ENV.PATH}`];
    const drop = ['setpriv', '--reuid', user, '--regid', user, '--init-groups', '--', 'env', '-i', '-C', '/'];
    return await this.exec([...drop, ...login, `XDG_RUNTIME_DIR=/run/user/${uid}`, ...argv], options);
  }

  /** Reboots it cleanly. */
  async reboot(): Promise<void> {
    const before = this.#leader();
    await this.exec(['systemctl', 'reboot']);
    await until('the reboot', () => this.#leader() !== undefined && this.#leader() !== before);
    await this.#untilUp();
  }

  /** Ends all of it at once, as a power cut does. What was written stays; nothing gets to say good-bye. */
  async crash(): Promise<void> {
    this.#wanted = false;
    const leader = this.#leader();
    if (leader !== undefined) killIfThere(leader);
    this.#nspawn?.kill('SIGKILL');
    await until('the end of the box', () => this.#nspawn === undefined);
  }

  async destroy(): Promise<void> {
    await this.crash();
    const guardian = this.#guardian;
    if (guardian === undefined || guardian.exitCode !== null) return;
    const ended = new Promise((resolve) => guardian.once('exit', resolve));
    guardian.stdin?.end();
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy();
  }

  #launch(): void {
    const name = basename(this.#folder);
    const binds = Object.entries(this.#options.binds ?? {}).map(([inside, from]) => `--bind-ro=${from}:${inside}`);
    const nspawn = [
      '--quiet --register=no --keep-unit --private-network --console=pipe --kill-signal=SIGRTMIN+3 --boot'.split(' '),
      [`--directory=${this.root}`, `--machine=${name}`, ...binds],
    ].flat();
    // nspawn splits the cgroup that it is started in: each box gets its own, or two would share one.
    const enter = CGROUP_TREES.map(
      (tree) => `[ -w ${tree}/cgroup.procs ] && mkdir -p ${tree}/${name} && echo $$ >${tree}/${name}/cgroup.procs`,
    ).join('; ');
    const console = openSync(join(this.#folder, 'console.log'), 'a');
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', 'sh', '-c', `${enter}; exec systemd-nspawn "$@"`, 'sh', ...nspawn],
      {
        stdio: ['ignore', console, console],
        // Unset, nspawn takes the outer machine's shape; `0` would be version 1 alone.
        env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: this.#options.cgroups === 'hybrid' ? undefined : '1' },
      },
    );
    closeSync(console);
    this.#nspawn = child;
    child.once('exit', (code) => {
      this.#nspawn = undefined;
      if (code === REBOOT_CODE && this.#wanted) this.#launch();
    });
  }

  /** The box's PID 1 as the outside sees it. */
  #leader(): number | undefined {
    const parent = this.#nspawn?.pid;
    if (parent === undefined) return undefined;
    const children = readText(`/proc/${parent}/task/${parent}/children`).trim().split(' ').filter(Boolean);
    return children.map(Number).find((pid) => /^NSpid:.*\t1$/m.test(readText(`/proc/${pid}/status`)));
  }

  async #untilUp(): Promise<void> {
    let state = '';
    try {
      await until('the box to boot', async () => {
        if (this.#leader() === undefined) return false;
        state = (await this.exec(['systemctl', 'is-system-running'])).stdout.trim();
        return state === 'running' || state === 'degraded';
      });
    } catch (error) {
      const console = readText(join(this.#folder, 'console.log')).slice(-2000);
      throw new Error(`the box did not come up (${state}):\n${console}`, { cause: error });
    }
  }
}

/** Polls until `done`; the world outside of this process sends no event to wait for. */
export async function until(what: string, done: () => boolean | Promise<boolean>, limitMs = UP_MS): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms for ${what}`);
    await pause(100);
  }
}

const namespacesOf = (leader: number): string[] => ['-t', String(leader), ...'-m -u -i -n -p -C -r -w --'.split(' ')];

async function outside(file: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await finished(file, args, { timeoutMs: 300_000 });
  if (code !== 0) throw new Error(`${file} exited with ${code}: ${stderr.slice(-2000)}`);
}

function finished(file: string, args: readonly string[], { timeoutMs = 60_000, input = '' } = {}): Promise<BoxResult> {
  return new Promise((resolve) => {
    const options = { env: BOX_ENV, timeout: timeoutMs, killSignal: 'SIGKILL' as const, maxBuffer: 64 << 20 };
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
      resolve({ code, stdout, stderr: error?.killed ? `${stderr}\nended after ${timeoutMs} ms` : stderr });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
