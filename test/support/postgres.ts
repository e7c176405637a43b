// A real PostgreSQL server of a test: a folder and a port of its own, run as an unprivileged user also when the tests are
// root's. It ends with the process that started it, however that ends.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

const STEP_MS = 20;
const READY_MS = 30_000;
// `read` returns when the test's end of the pipe closes; QUIT ends every backend at once.
const GUARD = '"$@" & server=$!; read -r _; kill -QUIT $server 2>/dev/null; wait $server';

/** Folder of the newest server's programs, or undefined where none is installed. */
export function postgresPrograms(): string | undefined {
  const installed = '/usr/lib/postgresql';
  const versions = existsSync(installed) ? readdirSync(installed).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(installed, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

/** Who runs a server that refuses to run as root. */
export function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = users.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    if (uid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('neither postgres nor nobody is a user of this machine');
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

export class PostgresServer {
  readonly folder: string;
  readonly port: number;
  readonly password: string;
  readonly #programs: string;
  readonly #settings: readonly string[];
  #guard: ChildProcess | undefined;
  #databases = 0;

  private constructor(programs: string, folder: string, port: number, password: string, settings: readonly string[]) {
    this.#programs = programs;
    this.folder = folder;
    this.port = port;
    this.password = password;
    this.#settings = settings;
  }

  /** `settings`: further `name=value` of postgresql.conf. `prepare` may put files into the folder before the start. */
  static async start(
    settings: readonly string[] = [],
    prepare: (folder: string) => void = () => undefined,
  ): Promise<PostgresServer> {
    const programs = postgresPrograms();
    if (programs === undefined) throw new Error('PostgreSQL is not installed');
    const folder = mkdtempSync(join(tmpdir(), 'palyra-pg-'));
    const password = randomBytes(12).toString('hex');
    const server = new PostgresServer(programs, folder, await freePort(), password, settings);
    writeFileSync(join(folder, 'password'), password, { mode: 0o600 });
    prepare(folder);
    const user = unprivileged();
    for (const path of [folder, ...readdirSync(folder).map((name) => join(folder, name))]) {
      if (user !== undefined) chownSync(path, user.uid, user.gid);
    }
    const flags = ['-D', join(folder, 'data'), '-U', 'palyra', `--pwfile=${join(folder, 'password')}`];
    execFileSync(
      join(programs, 'initdb'),
      [...flags, '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'],
      {
        ...user,
        cwd: folder,
        env: { PATH: programs, LC_ALL: 'C.UTF-8' },
        stdio: 'pipe',
      },
    );
    await server.again();
    return server;
  }

  /** Starts it on its data, also after a crash; resolves when it answers. */
  async again(): Promise<void> {
    // Nothing here cuts the power: what was written survives a killed server without being synced.
    const settings = [
      'fsync=off',
      'shared_buffers=32MB',
      'max_connections=60',
      'log_min_messages=fatal',
      ...this.#settings,
    ];
    const flags = ['-D', join(this.folder, 'data'), '-p', String(this.port), '-h', '127.0.0.1', '-k', this.folder];
    const program = join(this.#programs, 'postgres');
    this.#guard = spawn('sh', ['-c', GUARD, 'sh', program, ...flags, ...settings.flatMap((one) => ['-c', one])], {
      ...unprivileged(),
      cwd: this.folder,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const deadline = performance.now() + READY_MS;
    for (;;) {
      const answered = await this.query('select 1').catch((cause: unknown) => cause as Error);
      if (!(answered instanceof Error)) return;
      if (performance.now() > deadline) throw answered;
      await sleep(STEP_MS);
    }
  }

  url(database = 'postgres', parameters = ''): string {
    return `postgres://palyra:${this.password}@127.0.0.1:${this.port}/${database}${parameters}`;
  }

  /** Runs statements as its superuser on a connection of their own. */
  async query(sql: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
    const client = new Client({ connectionString: this.url(database), ssl: false });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(sql)).rows as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  }

  /** A new empty database. */
  async database(): Promise<string> {
    this.#databases += 1;
    const name = `test_${this.#databases}`;
    await this.query(`create database ${name}`);
    return name;
  }

  /** The power of the server is cut: every process of it is killed. */
  async kill(): Promise<void> {
    const [pid] = readFileSync(join(this.folder, 'data', 'postmaster.pid'), 'utf8').split('\n');
    // Stopped first, so that it starts no further one.
    process.kill(Number(pid), 'SIGSTOP');
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    const all = [...children, pid].filter((one) => one !== undefined && one !== '').map(Number);
    for (const one of all) if (existsSync(`/proc/${one}`)) process.kill(one, 'SIGKILL');
    await this.#ended();
    while (all.some((one) => existsSync(`/proc/${one}`))) await sleep(STEP_MS);
  }

  async stop(): Promise<void> {
    this.#guard?.stdin?.end();
    await this.#ended();
  }

  async destroy(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #ended(): Promise<void> {
    const guard = this.#guard;
    this.#guard = undefined;
    if (guard !== undefined && guard.exitCode === null && guard.signalCode === null) {
      guard.stdin?.end();
      await once(guard, 'exit');
    }
  }
}
