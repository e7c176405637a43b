// A real daemon in this process, and devices that were enrolled by their rows: for whoever attacks the node port.
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { OperatorClient } from '../../src/cli/operator-client.ts';
import { homeEndpoints } from '../../src/cli/operator-endpoint.ts';
import { findToken } from '../../src/cli/operator-token-source.ts';
import { type Daemon, startDaemon } from '../../src/daemon/daemon.ts';
import { DAEMON_DEFAULTS } from '../../src/daemon/daemon-settings.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { idMaker } from '../../src/kernel/ids.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import type { DaemonFrame } from '../../src/rpc/frames.ts';
import { connectNode, type NodeConnection, type NodeStream } from '../../src/rpc/node-client.ts';
import { loadWireSchema, type WireSchema } from '../../src/rpc/schema.ts';
import type { RequestView } from '../../src/wire/views.ts';
import { type EnrolledDevice, enrolMany } from './enrol-many.ts';

const BOOT_ID = '5c1a7c57-3b6e-4a0e-8d7e-2f7a1f5d9f10';
const newId = idMaker(() => systemClock.now());

export class NodePort {
  readonly home: string;
  readonly daemon: Daemon;
  readonly devices: readonly EnrolledDevice[];
  readonly schema: WireSchema = loadWireSchema();
  readonly operator: OperatorClient;
  readonly #opened: (() => void)[] = [];

  private constructor(home: string, daemon: Daemon, devices: readonly EnrolledDevice[]) {
    this.home = home;
    this.daemon = daemon;
    this.devices = devices;
    const token = findToken(home, undefined, {})?.text;
    this.operator = new OperatorClient({ endpoints: homeEndpoints(home), named: false, token });
  }

  static async start(t: TestContext, devices = 2): Promise<NodePort> {
    const home = mkdtempSync(join(tmpdir(), 'palyra-port-'));
    const enrolled = await enrolMany(home, devices);
    const daemon = await startDaemon({
      home,
      settings: { ...DAEMON_DEFAULTS, node_listen: '127.0.0.1:0', operator_listen: 'none', drain_ms: 500 },
      clock: systemClock,
      log: makeLogger({ level: 'info', component: 'test', fd: openSync(join(home, 'log.jsonl'), 'a', 0o600) }),
      onDiskFailure: (cause) => {
        throw cause;
      },
    });
    const port = new NodePort(home, daemon, enrolled);
    t.after(async () => {
      for (const close of port.#opened) close();
      port.operator.close();
      await daemon.stop();
      rmSync(home, { recursive: true, force: true });
    });
    return port;
  }

  get address(): string {
    return this.daemon.instance.node_address;
  }

  get portNumber(): number {
    return Number(this.address.split(':').at(-1));
  }

  get ca(): string {
    return readFileSync(join(this.home, 'daemon', 'ca', 'ca.pem'), 'utf8');
  }

  get log(): string {
    return readFileSync(join(this.home, 'log.jsonl'), 'utf8');
  }

  device(at: number): EnrolledDevice {
    const device = this.devices[at];
    if (device === undefined) throw new Error(`no device ${at}`);
    return device;
  }

  connect(identity?: { readonly chain: string; readonly key: string }): NodeConnection {
    const connection = connectNode(this.schema, { address: this.address, ca: this.ca, identity });
    this.#opened.push(() => connection.close());
    return connection;
  }

  /** A device with an open session. */
  async session(at: number, ledgerId = BOOT_ID): Promise<TestSession> {
    return TestSession.open(this.connect(this.device(at)), ledgerId);
  }

  /** Asks a device for an echo as an operator. */
  async ask(at: number, options: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const { request_id: requestId } = await this.operator.call<{ request_id: string }>('POST', '/api/v1/requests', {
      body: { node: this.device(at).name, capability: 'echo', input: 'x', ...options },
      headers: { 'idempotency-key': newId() },
    });
    return requestId;
  }

  request(requestId: string): Promise<RequestView> {
    return this.operator.call<RequestView>('GET', `/api/v1/requests/${requestId}`);
  }

  revoke(at: number): Promise<unknown> {
    const path = `/api/v1/nodes/${this.device(at).deviceId}/revoke`;
    return this.operator.call('POST', path, { body: { reason: 'stolen' } });
  }
}

/** The node's end of a session, frame by frame. */
export class TestSession {
  readonly frames: DaemonFrame[] = [];
  readonly connection: NodeConnection;
  readonly sessionId: string;
  readonly stream: NodeStream;
  /** Resolves with the cause when the stream is over. */
  readonly ended: Promise<unknown>;
  #grown = Promise.withResolvers<void>();
  #over = false;

  private constructor(connection: NodeConnection, sessionId: string) {
    this.connection = connection;
    this.sessionId = sessionId;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.ended = promise;
    this.stream = connection.openStream({
      frame: (frame) => {
        this.frames.push(frame);
        this.#wake();
      },
      ended: (cause) => {
        this.#over = true;
        resolve(cause);
        this.#wake();
      },
    });
  }

  static async open(connection: NodeConnection, ledgerId: string): Promise<TestSession> {
    const { session_id: sessionId = '' } = await connection.register({
      instance: {
        boot_id: BOOT_ID,
        ledger_id: ledgerId,
        pid: 1,
        started_at_unix_ms: 1,
        palyra_version: '0.1.0',
        platform: 'linux',
        arch: 'x64',
        os_version: '6.18',
        hostname: 'attacker',
      },
      capabilities: [
        { name: 'echo', available: true },
        { name: 'shell.execute', available: true },
      ],
      node_unix_ms: systemClock.now(),
    });
    const session = new TestSession(connection, sessionId);
    session.stream.send({ hello: { session_id: sessionId, boot_id: BOOT_ID, ledger_id: ledgerId } });
    await session.until(({ welcome }) => welcome !== null && welcome !== undefined);
    return session;
  }

  /** The first frame that fits. Rejects when the stream ends without. */
  async until(fits: (frame: DaemonFrame) => boolean): Promise<DaemonFrame> {
    for (;;) {
      const found = this.frames.find(fits);
      if (found !== undefined) return found;
      if (this.#over) throw new Error(`the stream ended: ${String(await this.ended)}`);
      await this.#grown.promise;
    }
  }

  untilDispatched(requestId: string): Promise<DaemonFrame> {
    return this.until(({ dispatch }) => dispatch?.request_id === requestId);
  }

  /** Answers a request as succeeded. */
  answer(requestId: string, text = '"x"'): void {
    this.stream.send({
      result: {
        request_id: requestId,
        outcome: 1,
        output_json: Buffer.from(text),
        stdout: { size_bytes: 0, sha256: Buffer.alloc(0) },
        stderr: { size_bytes: 0, sha256: Buffer.alloc(0) },
        started_at_unix_ms: systemClock.now(),
        finished_at_unix_ms: systemClock.now(),
        duration_ms: 1,
      },
    });
  }

  #wake(): void {
    this.#grown.resolve();
    this.#grown = Promise.withResolvers();
  }
}
