import { Agent, type ClientRequest, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { PalyraError } from '../kernel/errors.ts';
import { assertPrivate } from '../kernel/files.ts';
import { tcpEndpoint } from '../wire/daemon-proof.ts';
import { socketAddress } from '../wire/operator-place.ts';
import type { OperatorEndpoint } from './operator-endpoint.ts';

const CONNECT_MS = 5_000;

/** Opens a socket; rejects with the system's error when nobody answers. */
async function dial(endpoint: OperatorEndpoint): Promise<Socket> {
  if (endpoint.kind === 'tcp') return opened(connect({ host: endpoint.host, port: endpoint.port, noDelay: true }));
  // Whoever could put a socket there could be anybody.
  if (process.platform !== 'win32') assertPrivate(dirname(endpoint.path));
  const address = socketAddress(endpoint.path);
  if (address === undefined) throw Object.assign(new Error('the path is too long'), { code: 'ENAMETOOLONG' });
  try {
    return await opened(connect(address.path));
  } finally {
    address.release();
  }
}

function opened(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      socket.destroy();
      reject(cause);
    };
    socket.setTimeout(CONNECT_MS, () => failed(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

/** One connection to a daemon, used for one call after the other. A lost one is never replaced under its user. */
export class OperatorConnection {
  readonly endpoint: OperatorEndpoint;
  readonly #socket: Socket;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #busy = false;

  private constructor(endpoint: OperatorEndpoint, socket: Socket) {
    this.endpoint = endpoint;
    this.#socket = socket;
    let given = false;
    this.#agent.createConnection = () => {
      // A second socket would lead to whoever listens there by now.
      if (given) throw new PalyraError('daemon_unreachable', 'the connection to the daemon was lost');
      given = true;
      return socket;
    };
  }

  static async open(endpoint: OperatorEndpoint): Promise<OperatorConnection> {
    return new OperatorConnection(endpoint, await dial(endpoint));
  }

  /** The far end as our own side knows it: what a proof of the daemon must be about. */
  get peer(): string {
    const { endpoint } = this;
    return endpoint.kind === 'socket'
      ? endpoint.path
      : tcpEndpoint(this.#socket.remoteAddress, this.#socket.remotePort);
  }

  get inUse(): boolean {
    return this.#busy;
  }

  get free(): boolean {
    return !this.#busy && !this.#socket.destroyed && this.#socket.readable;
  }

  /** Keeps it for the caller, until the answer of its call has been read to the end. */
  take(): this {
    this.#busy = true;
    return this;
  }

  /** Starts a call. */
  call(options: {
    readonly method: string;
    readonly path: string;
    readonly headers?: Readonly<Record<string, string | number>>;
    readonly signal?: AbortSignal;
    /** Longest silence. */
    readonly timeoutMs?: number;
  }): ClientRequest {
    this.#busy = true;
    const { endpoint } = this;
    const host = endpoint.kind === 'socket' ? 'palyra' : `${hostOf(endpoint.host)}:${endpoint.port}`;
    const call = request({ ...options, agent: this.#agent, headers: { host, ...options.headers } });
    if (options.timeoutMs !== undefined) call.setTimeout(options.timeoutMs, () => call.destroy());
    call.once('close', () => {
      this.#busy = false;
    });
    return call;
  }

  close(): void {
    this.#agent.destroy();
    this.#socket.destroy();
  }
}

const hostOf = (address: string): string => (address.includes(':') ? `[${address}]` : address);
