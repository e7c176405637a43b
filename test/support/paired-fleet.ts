// A daemon and one node on this machine, as processes, paired through the real pairing.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OperatorClient } from '../../src/cli/operator-client.ts';
import { homeEndpoints } from '../../src/cli/operator-endpoint.ts';
import { findToken } from '../../src/cli/operator-token-source.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { DaemonProcess } from './daemon-process.ts';
import { AS_BUILT, type CliEnd, type CliOptions, RunningCli } from './run-cli.ts';

const LOOKS = 400;
const LOOK_MS = 50;

interface FleetOptions {
  readonly program?: readonly string[];
  /** Flags of `node pair` after its defaults. */
  readonly pairFlags?: readonly string[];
  /** Flags of `daemon serve`. */
  readonly serveFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly name?: string;
  /** A folder of its own when absent. */
  readonly readRoot?: string;
}

/** Waits until a look shows it. Bounded: about 20 seconds. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (let round = 0; round < LOOKS; round += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await systemClock.sleep(LOOK_MS);
  }
  throw new Error(`never happened: ${what}`);
}

/** Who ends what was started: a test, or whatever has an end. */
interface Ends {
  after(end: () => Promise<void>): void;
}

export class PairedFleet {
  /** Of the daemon and its operators. */
  readonly daemonHome: string;
  /** Of the node. */
  readonly nodeHome: string;
  /** What the node may read. */
  readonly readRoot: string;
  readonly #options: FleetOptions;
  readonly #clients: OperatorClient[] = [];
  daemon: DaemonProcess | undefined;
  node: RunningCli | undefined;
  deviceId = '';
  #port = 0;

  private constructor(folder: string, options: FleetOptions) {
    this.daemonHome = join(folder, 'a');
    this.nodeHome = join(folder, 'b');
    this.readRoot = options.readRoot ?? join(folder, 'files');
    for (const made of [this.daemonHome, this.nodeHome]) mkdirSync(made, { mode: 0o700 });
    mkdirSync(this.readRoot, { recursive: true, mode: 0o700 });
    this.#options = options;
  }

  /** Resolves when the node is online. */
  static async start(t: Ends, options: FleetOptions = {}): Promise<PairedFleet> {
    const folder = mkdtempSync(join(tmpdir(), 'palyra-fleet-'));
    const fleet = new PairedFleet(folder, options);
    t.after(async () => {
      await fleet.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    await fleet.startDaemon();
    await fleet.pair();
    await fleet.startNode();
    return fleet;
  }

  get program(): readonly string[] {
    return this.#options.program ?? AS_BUILT;
  }

  get name(): string {
    return this.#options.name ?? 'web-1';
  }

  get nodeAddress(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async startDaemon(): Promise<void> {
    this.daemon = await DaemonProcess.start(this.daemonHome, {
      program: this.program,
      flags: this.#options.serveFlags ?? [],
      env: this.#options.env ?? {},
      nodeListen: this.nodeAddress,
    });
    this.#port = Number(this.daemon.ready.node_address.split(':').at(-1));
  }

  async pair(): Promise<void> {
    const flags = this.#options.pairFlags ?? ['--allow', 'shell.execute', '--read-root', this.readRoot];
    const pin = (await this.json<{ pin: string }>(['pairing', 'code'])).pin;
    const words = ['node', 'pair', pin, '--daemon', this.nodeAddress, '--name', this.name, '--json', ...flags];
    const pairing = new RunningCli(words, this.#on(this.nodeHome));
    const request = await eventually('a pairing request', async () => {
      if (pairing.process.exitCode !== null) throw new Error(pairing.stderr);
      const listed = await this.json<{ requests: readonly { request_id: string; state: string }[] }>([
        'pairing',
        'list',
      ]);
      return listed.requests.find(({ state }) => state === 'pending_approval');
    });
    const approved = await this.operator(['pairing', 'approve', request.request_id]);
    if (approved.code !== 0) throw new Error(approved.stderr);
    const { code, stdout, stderr } = await pairing.end;
    if (code !== 0) throw new Error(`node pair ended with ${code}: ${stderr}`);
    this.deviceId = (JSON.parse(stdout.toString()) as { device_id: string }).device_id;
  }

  /** Resolves when the daemon shows the node as online. */
  async startNode(): Promise<void> {
    this.spawnNode();
    await this.untilPresence('online');
  }

  /** Starts it and waits for nothing. */
  spawnNode(): void {
    this.node = new RunningCli(['node', 'run'], this.#on(this.nodeHome));
  }

  async untilPresence(presence: string): Promise<void> {
    await eventually(`${this.name} is ${presence}`, async () => {
      const listed = await this.json<{ nodes: readonly { device_id: string; presence: string }[] }>(['nodes', 'list']);
      return listed.nodes.find((one) => one.device_id === this.deviceId && one.presence === presence);
    });
  }

  /** A command line of an operator, run to its end. */
  operator(argv: readonly string[], options: Partial<CliOptions> = {}): Promise<CliEnd> {
    return new RunningCli(argv, { ...this.#on(this.daemonHome), ...options }).end;
  }

  /** A command line on the node's machine. */
  onNode(argv: readonly string[], options: Partial<CliOptions> = {}): Promise<CliEnd> {
    return new RunningCli(argv, { ...this.#on(this.nodeHome), ...options }).end;
  }

  /** A command line of an operator that goes on. */
  running(argv: readonly string[], options: Partial<CliOptions> = {}): RunningCli {
    return new RunningCli(argv, { ...this.#on(this.daemonHome), ...options });
  }

  /** The JSON document of an operator's command. */
  async json<T>(argv: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.operator([...argv, '--json']);
    if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout.toString()) as T;
  }

  /** The operator API without a process for each call. */
  client(): OperatorClient {
    const token = findToken(this.daemonHome, undefined, {})?.text;
    const client = new OperatorClient({ endpoints: homeEndpoints(this.daemonHome), named: false, token });
    this.#clients.push(client);
    return client;
  }

  async stopNode(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { node } = this;
    if (node === undefined) return null;
    if (node.process.exitCode === null && node.process.signalCode === null) {
      const ended = once(node.process, 'exit');
      node.process.kill(signal);
      await ended;
    }
    return node.process.exitCode;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.stopNode('SIGKILL');
    await this.daemon?.stop('SIGKILL');
  }

  #on(home: string): CliOptions {
    return { home, program: this.program, env: this.#options.env ?? {} };
  }
}
