// A real pgbouncer in transaction mode before a server of the tests: each transaction may land on another session.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort, type PostgresServer, unprivileged } from './postgres.ts';

const READY_MS = 10_000;
const GUARD = '"$@" & pooler=$!; read -r _; kill -INT $pooler 2>/dev/null; wait $pooler';
/** Debian has it where a user's PATH does not look. */
export const POOLER_PATH = ['/usr/sbin', ...(process.env['PATH'] ?? '').split(delimiter)];

export class Pgbouncer {
  readonly #folder: string;
  readonly #guard: ChildProcess;
  readonly url: string;

  private constructor(folder: string, guard: ChildProcess, url: string) {
    this.#folder = folder;
    this.#guard = guard;
    this.url = url;
  }

  /** `sessions`: how many of the server's it shares out. */
  static async before(server: PostgresServer, database: string, sessions: number): Promise<Pgbouncer> {
    const folder = mkdtempSync(join(tmpdir(), 'palyra-pgb-'));
    const port = await freePort();
    const users = join(folder, 'users');
    const settings = join(folder, 'ini');
    writeFileSync(users, `"palyra" "${server.password}"\n`, { mode: 0o600 });
    writeFileSync(
      settings,
      `[databases]
${database} = host=127.0.0.1 port=${server.port} user=palyra
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${sessions}
server_round_robin = 1
`,
    );
    chmodSync(settings, 0o600);
    const user = unprivileged();
    for (const path of [folder, users, settings]) if (user !== undefined) chownSync(path, user.uid, user.gid);
    const guard = spawn('sh', ['-c', GUARD, 'sh', 'pgbouncer', '-q', settings], {
      ...user,
      cwd: folder,
      env: { PATH: POOLER_PATH.join(delimiter) },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const url = `postgres://palyra:${server.password}@127.0.0.1:${port}/${database}`;
    const deadline = performance.now() + READY_MS;
    for (;;) {
      const client = new Client({ connectionString: url });
      client.on('error', () => undefined);
      const answered = await client.connect().catch((cause: unknown) => cause as Error);
      await client.end();
      if (!(answered instanceof Error)) return new Pgbouncer(folder, guard, url);
      if (performance.now() > deadline) throw answered;
      await sleep(20);
    }
  }

  async stop(): Promise<void> {
    this.#guard.stdin?.end();
    if (this.#guard.exitCode === null) await once(this.#guard, 'exit');
    rmSync(this.#folder, { recursive: true });
  }
}
