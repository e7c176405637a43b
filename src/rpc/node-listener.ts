import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Http2Session, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Server, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError, systemCode } from '../kernel/errors.ts';
import { fileFailure } from '../kernel/files.ts';
import type { DeviceId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import { Admission } from './admission.ts';
import { Connections } from './connections.ts';
import { NodePortCredentials, type ServerIdentity } from './credentials.ts';
import { assertEveryMethodDecided, enforceCertBoundDevice } from './enforce-cert-bound-device.ts';
import { NodeRpcServiceImpl } from './node-service.ts';
import { NodeSessions } from './node-sessions.ts';
import type { IdentityPort, InventoryPort, NodeEventsPort } from './ports.ts';
import type { WireSchema } from './schema.ts';

export interface NodeListenerOptions {
  readonly host: string;
  /** 0: whichever port is free. */
  readonly port: number;
  readonly schema: WireSchema;
  readonly serverIdentity: ServerIdentity;
  readonly identity: IdentityPort;
  readonly inventory: InventoryPort;
  readonly dispatch: NodeEventsPort;
  readonly pairing: UntypedServiceImplementation;
  readonly daemonId: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface NodeListener {
  readonly port: number;
  /** Open streams of nodes. */
  readonly sessions: number;
  /** New connections see this from now on. */
  renew(identity: ServerIdentity): void;
  /** Ends the stream and the connections of a device. */
  cut(deviceId: DeviceId, cause: PalyraError): void;
  /** Tells every node to come back after this, ms. */
  drain(retryAfterMs: number): void;
  stop(): Promise<void>;
}

/**
 * Opens the node port: PairingService and NodeService behind one gate.
 * Errors: port_taken, no_permission, invalid_argument (no such address on this machine).
 */
export async function startNodeListener(options: NodeListenerOptions): Promise<NodeListener> {
  const { schema, identity, clock, log } = options;
  assertEveryMethodDecided([schema.pairing, schema.node]);
  const connections = new Connections(clock);
  const guard = { identity, connections, clock };
  const sessions = new NodeSessions(guard);
  const server = new Server({
    interceptors: [enforceCertBoundDevice(guard)],
    'grpc.max_receive_message_length': LIMITS.grpcMessageBytes,
    'grpc.max_send_message_length': LIMITS.grpcMessageBytes,
    'grpc.max_concurrent_streams': LIMITS.streamsPerConnection,
    'grpc.enable_channelz': 0,
  });
  server.addService(schema.pairing, options.pairing);
  server.addService(schema.node, new NodeRpcServiceImpl({ ...options, sessions, connections }).handlers());
  const credentials = new NodePortCredentials(options.serverIdentity);
  const injector = server.createConnectionInjector(credentials);
  const admission = new Admission(clock, (socket) => {
    connections.add(socket);
    injector.injectConnection(socket);
  });
  const port = createServer({ noDelay: true, keepAlive: true }, (socket: Socket) => {
    socket.on('error', (error) => log.debug({ err: error }, 'a connection of the node port broke'));
    admission.take(socket);
  });
  const stopWindows = widenWindows();
  await listen(port, options).catch((cause: unknown) => {
    stopWindows();
    server.forceShutdown();
    throw cause;
  });
  connections.start();
  sessions.start();
  return {
    port: (port.address() as AddressInfo).port,
    get sessions() {
      return sessions.size;
    },
    renew: (next) => credentials.renew(next),
    cut: (deviceId, cause) => sessions.cut(deviceId, cause),
    drain: (retryAfterMs) => sessions.drain(retryAfterMs),
    async stop() {
      const closed = new Promise<void>((resolve) => port.close(() => resolve()));
      sessions.stop();
      sessions.finish();
      admission.stop();
      // What was said last gets a moment to leave.
      await clock.sleep(LIMITS.farewellMs);
      connections.stop();
      server.forceShutdown();
      stopWindows();
      await closed;
    },
  };
}

async function listen(server: ReturnType<typeof createServer>, { host, port }: NodeListenerOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (cause) {
    const address = `${host}:${port}`;
    switch (systemCode(cause)) {
      case 'EADDRINUSE':
        throw new PalyraError('port_taken', `another program listens on ${address}`, {
          hint: 'choose another with --node-listen ADDR:PORT, or stop that program',
          cause,
        });
      case 'EADDRNOTAVAIL':
      case 'ENOTFOUND':
        throw new PalyraError('invalid_argument', `this machine has no address ${host}`, {
          hint: 'give --node-listen 0.0.0.0:7443',
          cause,
        });
      case undefined:
      default:
        throw fileFailure(cause, address);
    }
  }
  server.removeListener('error', reject);
}

/**
 * Raises the receive window of each connection: with the default one a link of 40 ms carries 0.9 MiB/s. grpc-js gives no
 * way to the session; the runtime tells of each stream.
 */
function widenWindows(): () => void {
  const widened = new WeakSet<Http2Session>();
  const onStream = (message: unknown): void => {
    const { session } = (message as { readonly stream: ServerHttp2Stream }).stream;
    if (session === undefined || widened.has(session)) return;
    widened.add(session);
    (session as ServerHttp2Session).setLocalWindowSize(LIMITS.connectionWindowBytes);
  };
  subscribe('http2.server.stream.created', onStream);
  return () => {
    unsubscribe('http2.server.stream.created', onStream);
  };
}
