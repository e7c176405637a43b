// The operator's side of the HTTP API: node:http over the daemon's socket, else over loopback TCP after the daemon has
// proven itself. Never fetch: naming it costs 45 ms of start-up.
import type { ClientRequest, IncomingMessage } from 'node:http';
import { PalyraError, systemCode } from '../kernel/errors.ts';
import { answerOf, failureOf, jsonOf } from './http-answer.ts';
import { OperatorConnection } from './operator-connection.ts';
import { endpointName, type OperatorEndpoint } from './operator-endpoint.ts';

export interface OperatorClientOptions {
  /** Tried in this order. */
  readonly endpoints: readonly OperatorEndpoint[];
  /** The endpoints were named by the user, not guessed from the home. */
  readonly named: boolean;
  readonly token: string | undefined;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface CallOptions {
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Longest silence; a stream has none. */
  readonly timeoutMs?: number;
}

// A daemon that is there answers a call at once, also behind a slow disk.
const ANSWER_MS = 60_000;

// Nobody listens, or nobody that this user may reach.
const NOBODY_THERE = new Set(['ENOENT', 'ECONNREFUSED', 'EACCES', 'EPERM', 'ETIMEDOUT', 'ENOTDIR', 'ENAMETOOLONG']);

function pathOf(path: string, query: Query = {}): string {
  const words = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return words.length === 0 ? path : `${path}?${words.join('&')}`;
}

export class OperatorClient {
  readonly #options: OperatorClientOptions;
  #connections: OperatorConnection[] = [];

  constructor(options: OperatorClientOptions) {
    this.#options = options;
  }

  /** One call and its JSON answer. Errors: those of the daemon, `daemon_unreachable`, `daemon_not_proven`. */
  async call<T>(method: 'GET' | 'POST' | 'DELETE', path: string, options: CallOptions = {}): Promise<T> {
    return (await jsonOf(await this.open(method, path, { timeoutMs: ANSWER_MS, ...options }))) as T;
  }

  /** One call whose answer is read as it comes. */
  async open(method: 'GET' | 'POST' | 'DELETE', path: string, options: CallOptions = {}): Promise<IncomingMessage> {
    const text = options.body === undefined ? undefined : JSON.stringify(options.body);
    const call = await this.#start(method, path, options, {
      ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    });
    const answer = await answerOf(call.end(text));
    if ((answer.statusCode ?? 500) >= 400) throw await failureOf(answer);
    return answer;
  }

  /** A call whose body is written as it comes: the caller writes to it and ends it. */
  upload(path: string, query: Query, signal: AbortSignal): Promise<ClientRequest> {
    return this.#start('POST', path, { query, signal }, { 'content-type': 'application/octet-stream' });
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
    this.#connections = [];
  }

  async #start(
    method: string,
    path: string,
    { query, headers, signal, timeoutMs }: CallOptions,
    bodyHeaders: Readonly<Record<string, string | number>>,
  ): Promise<ClientRequest> {
    signal?.throwIfAborted();
    const connection = await this.#connection();
    const { token } = this.#options;
    return connection.call({
      method,
      path: pathOf(path, query),
      headers: { ...bodyHeaders, ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      ...(signal !== undefined && { signal }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
  }

  async #connection(): Promise<OperatorConnection> {
    this.#connections = this.#connections.filter((one) => one.free || one.inUse);
    const free = this.#connections.find((one) => one.free);
    if (free !== undefined) return free.take();
    const connection = (await this.#connect()).take();
    this.#connections.push(connection);
    return connection;
  }

  async #connect(): Promise<OperatorConnection> {
    let last: unknown;
    for (const endpoint of this.#options.endpoints) {
      // Nothing can be proven without a token, and a guessed port may be anybody's.
      if (endpoint.kind === 'tcp' && this.#options.token === undefined) continue;
      try {
        return await this.#proven(endpoint);
      } catch (cause) {
        if (!this.#isNobody(cause)) throw cause;
        last = cause;
      }
    }
    throw this.#unreachable(last);
  }

  async #proven(endpoint: OperatorEndpoint): Promise<OperatorConnection> {
    const connection = await OperatorConnection.open(endpoint);
    const { token } = this.#options;
    // A socket in a private folder is its owner's; a pipe of Windows may be anybody's, as a port may.
    const ownersOnly = endpoint.kind === 'socket' && process.platform !== 'win32';
    if (ownersOnly || token === undefined) return connection;
    try {
      const { demandProof } = await import('./daemon-hello.ts');
      await demandProof(connection, token);
      return connection;
    } catch (cause) {
      connection.close();
      throw cause;
    }
  }

  /** Whether a failed attempt only means that no daemon of this home runs. */
  #isNobody(cause: unknown): boolean {
    if (NOBODY_THERE.has(systemCode(cause) ?? '')) return true;
    if (this.#options.named || !(cause instanceof PalyraError)) return false;
    return cause.code === 'daemon_not_proven' || cause.code === 'not_a_palyra_daemon';
  }

  #unreachable(cause: unknown): PalyraError {
    const where = this.#options.endpoints.map(endpointName).join(' or ');
    const stranger = cause instanceof PalyraError ? '; what listens on loopback belongs to somebody else' : '';
    return new PalyraError('daemon_unreachable', `no daemon answers at ${where}${stranger}`, {
      hint: 'start it with `palyra daemon serve`, or look with `palyra daemon status`',
      cause,
    });
  }
}
