// A TCP hop to a PostgreSQL server that loses the answer of a commit, as a network or a server that dies does.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Of a simple query of the protocol, with its closing NUL. */
const COMMIT = Buffer.from('commit\0');

/** `before`: the server never hears of the commit; `after`: it commits, and nobody hears of it. */
export type Cut = 'before' | 'after';

export class CuttingProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #next: Cut | undefined;
  #cuts = 0;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async to(target: number): Promise<CuttingProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new CuttingProxy(server, (server.address() as { port: number }).port);
    server.on('connection', (client) => proxy.#join(client, connect(target, '127.0.0.1')));
    return proxy;
  }

  get cuts(): number {
    return this.#cuts;
  }

  /** Cuts the connection of the next commit. */
  cutNext(cut: Cut): void {
    this.#next = cut;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, server: Socket): void {
    let deaf = false;
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
    client.on('data', (bytes) => {
      const cut = bytes.includes(COMMIT) ? this.#next : undefined;
      if (cut === undefined) return void server.write(bytes);
      this.#next = undefined;
      this.#cuts += 1;
      deaf = true;
      if (cut === 'before') client.destroy();
      else server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (deaf) client.destroy();
      else client.write(bytes);
    });
  }
}
