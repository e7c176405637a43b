import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from './systemd-box.ts';

// Node has no datagram sockets of the unix kind. Descriptors that come along are dropped, which is what the sender of
// a barrier waits for.
const RECEIVER = `import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True: print(json.dumps(s.recv(65536).decode()), flush=True)`;

/** What systemd would hear: the datagrams at a NOTIFY_SOCKET, a list of assignments each. Barriers are left out. */
export class NotifySocket implements AsyncDisposable {
  readonly path: string;
  readonly heard: string[][] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'palyra-notify-'));
  readonly #receiver;

  private constructor() {
    this.path = join(this.#folder, 'socket');
    this.#receiver = spawn('python3', ['-c', RECEIVER, this.path], { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#receiver.stdout }).on('line', (line) => {
      const assignments = (JSON.parse(line) as string).split('\n').filter(Boolean);
      if (!assignments.includes('BARRIER=1')) this.heard.push(assignments);
    });
  }

  static async open(): Promise<NotifySocket> {
    const socket = new NotifySocket();
    await until('the receiver', () => existsSync(socket.path));
    return socket;
  }

  /** Resolves with the message of this number, counted from 0. */
  async message(at: number): Promise<string[]> {
    await until(`message ${at}`, () => this.heard.length > at, 10_000);
    return this.heard[at] ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#receiver.once('exit', resolve));
    this.#receiver.kill('SIGKILL');
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
