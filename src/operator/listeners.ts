import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { CapabilityDispatch } from '../dispatch/types.ts';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import type { Store } from '../store/store.ts';
import { operatorSocketPath } from '../wire/operator-place.ts';
import { makeApp } from './app.ts';
import { Authenticator } from './authenticator.ts';
import { ensureBootstrapAdmin } from './bootstrap-admin.ts';
import { listen } from './listen.ts';
import { listenOnSocket } from './operator-socket.ts';
import { assertOwnOrigin, loopbackHosts, SOCKET_HOSTS } from './origin-guard.ts';
import type { CapabilityCatalog, DeviceTrustPort, InventoryPort, PairingPort, ReadinessCheck } from './ports.ts';
import { problemOf } from './problem.ts';
import { sendProblem } from './reply.ts';
import { routeTable } from './route-table.ts';
import { loopbackAddress } from './tcp-address.ts';
import { Watches } from './watches.ts';

export interface OperatorListenersOptions {
  readonly dispatch: CapabilityDispatch;
  readonly inventory: InventoryPort;
  readonly trust: DeviceTrustPort;
  readonly pairing: PairingPort;
  readonly catalog: CapabilityCatalog;
  readonly readiness: readonly ReadinessCheck[];
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly home: string;
  readonly daemonId: string;
  /** `127.0.0.1:7480`; null for none. */
  readonly tcpAddress: string | null;
}

export interface OperatorListeners {
  /** Null where the path would be too long for the system. */
  readonly socketPath: string | null;
  /** Null without a TCP listener. */
  readonly tcpPort: number | null;
  /** For whoever changes or revokes an operator. */
  readonly authenticator: Authenticator;
  /** Takes nothing new, ends the streams with `daemon_draining`, lets short calls finish. */
  drain(): Promise<void>;
  /** Cuts what is left. */
  stop(): Promise<void>;
}

// A call that answers at all answers within this; only uploads take longer, and their callers come back.
const DRAIN_MS = 1_000;
const KEEP_ALIVE_MS = 75_000;

function makeServer(handle: (incoming: IncomingMessage, outgoing: ServerResponse) => void): Server {
  const server = createServer(
    {
      noDelay: true,
      maxHeaderSize: LIMITS.httpHeaderBytes,
      headersTimeout: LIMITS.httpHeaderMs,
      // Standard input may flow for hours; every other body has its own deadline where it is read.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    handle,
  );
  server.maxHeadersCount = LIMITS.httpHeaderFields;
  server.maxConnections = LIMITS.httpConnections;
  return server;
}

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    if (server.listening) server.close(() => resolve());
    else resolve();
  });

/** Opens the operator API of a daemon: a socket in its home, and loopback TCP. */
export async function startOperatorListeners(options: OperatorListenersOptions): Promise<OperatorListeners> {
  const { store, clock, log, home } = options;
  const address = options.tcpAddress === null ? undefined : loopbackAddress(options.tcpAddress);
  await ensureBootstrapAdmin(home, store, clock);
  const authenticator = new Authenticator({ store, clock, log });
  const watches = new Watches();
  let draining = false;
  const active = new Set<ServerResponse>();
  const routes = routeTable({
    ...options,
    authenticator,
    watches,
    draining: () => draining,
    socketEndpoint: operatorSocketPath(home),
  });
  const app = makeApp({ routes, authenticator, clock, log, draining: () => draining });
  const serve = getRequestListener(app.fetch, { overrideGlobalObjects: false });

  const guarded = (hosts: () => readonly string[]) => (incoming: IncomingMessage, outgoing: ServerResponse) => {
    try {
      assertOwnOrigin(incoming, hosts());
    } catch (cause) {
      sendProblem(outgoing, problemOf(cause, log));
      incoming.resume();
      return;
    }
    active.add(outgoing);
    outgoing.once('close', () => active.delete(outgoing));
    void serve(incoming, outgoing);
  };

  const socketServer = makeServer(guarded(() => SOCKET_HOSTS));
  let tcpPort: number | null = null;
  const tcpServer = makeServer(guarded(() => loopbackHosts(tcpPort ?? 0)));
  const servers = [socketServer, tcpServer];

  const socket = await listenOnSocket(socketServer, home);
  try {
    if (address !== undefined) {
      await listen(tcpServer, address);
      const bound = tcpServer.address();
      tcpPort = typeof bound === 'object' && bound !== null ? bound.port : null;
    }
    if (socket === undefined && tcpPort === null) {
      throw new PalyraError('config_invalid', `the path of the operator socket in ${home} is too long`, {
        hint: 'choose a shorter home folder, or let operators come over 127.0.0.1:7480',
      });
    }
  } catch (cause) {
    await closed(socketServer);
    socket?.release();
    throw cause;
  }

  async function stop(): Promise<void> {
    draining = true;
    const ends = servers.map(closed);
    for (const server of servers) server.closeAllConnections();
    await Promise.all(ends);
    socket?.release();
  }

  async function drain(): Promise<void> {
    draining = true;
    const ends = Promise.all(servers.map(closed));
    const { error } = problemOf(
      new PalyraError('daemon_draining', 'the daemon is stopping', {
        hint: 'the request goes on; attach again with `palyra requests watch`',
      }),
      log,
    ).document;
    watches.failAll(error);
    const closeIdle = (): void => {
      for (const server of servers) server.closeIdleConnections();
    };
    closeIdle();
    // A kept connection is idle only after its last answer has left.
    for (const outgoing of active) outgoing.once('close', () => clock.after(0, closeIdle));
    const stopTimer = clock.after(DRAIN_MS, () => {
      for (const server of servers) server.closeAllConnections();
    });
    await ends;
    stopTimer();
  }

  return { socketPath: socket?.path ?? null, tcpPort, authenticator, drain, stop };
}
