import type { Socket } from 'node:net';
import type { Clock } from '../kernel/clock.ts';
import type { DeviceId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import { sourceOf } from './source.ts';

/** One TCP connection of the node port. */
export interface NodePortConnection {
  readonly socket: Socket;
  /** `address:port`, as grpc-js names the peer of a call. */
  readonly peer: string;
  readonly source: string;
  readonly openedAtMs: number;
  /** Fingerprint of the certificate that came with TLS; null when none did, undefined before it was looked for. */
  fingerprint: string | null | undefined;
  /** Whose connection it is, once a call proved it. */
  deviceId: DeviceId | undefined;
  /** Calls without a certificate so far, and those that are open. */
  anonymousCalls: number;
  anonymousOpen: number;
  /** A pairing request is being watched: that takes as long as a human does. */
  watching: number;
}

/** What is connected, by peer; ends connections that never proved to be a device's and stayed. */
export class Connections {
  readonly #clock: Clock;
  readonly #byPeer = new Map<string, NodePortConnection>();
  readonly #anonymous = new Set<NodePortConnection>();
  #stopSweep: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#byPeer.size;
  }

  add(socket: Socket): NodePortConnection {
    const { remoteAddress = '', remotePort = 0 } = socket;
    const connection: NodePortConnection = {
      socket,
      peer: `${remoteAddress}:${remotePort}`,
      source: sourceOf(remoteAddress),
      openedAtMs: this.#clock.monotonic(),
      fingerprint: undefined,
      deviceId: undefined,
      anonymousCalls: 0,
      anonymousOpen: 0,
      watching: 0,
    };
    this.#byPeer.set(connection.peer, connection);
    this.#anonymous.add(connection);
    socket.once('close', () => {
      this.#anonymous.delete(connection);
      if (this.#byPeer.get(connection.peer) === connection) this.#byPeer.delete(connection.peer);
    });
    return connection;
  }

  of(peer: string): NodePortConnection | undefined {
    return this.#byPeer.get(peer);
  }

  /** From now on no limit for the unknown applies to it. */
  proven(connection: NodePortConnection, deviceId: DeviceId): void {
    connection.deviceId = deviceId;
    this.#anonymous.delete(connection);
  }

  ofDevice(deviceId: DeviceId): NodePortConnection[] {
    return [...this.#byPeer.values()].filter((connection) => connection.deviceId === deviceId);
  }

  devices(): NodePortConnection[] {
    return [...this.#byPeer.values()].filter(({ deviceId }) => deviceId !== undefined);
  }

  /** Looks every second for connections of nobody that are too old or too many. */
  start(): void {
    this.#stopSweep = this.#clock.after(1_000, () => {
      this.#sweep();
      this.start();
    });
  }

  stop(): void {
    this.#stopSweep?.();
    for (const { socket } of this.#byPeer.values()) socket.destroy();
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    const perSource = new Map<string, number>();
    let lingering = 0;
    // Oldest first, so that what is too much is the newest (security.md 2.5).
    for (const connection of this.#anonymous) {
      const age = now - connection.openedAtMs;
      const longest = connection.watching > 0 ? LIMITS.watchCallMs : LIMITS.anonymousConnectionMs;
      if (age > longest) {
        connection.socket.destroy();
        continue;
      }
      if (age < LIMITS.anonymousGraceMs) continue;
      const ofSource = (perSource.get(connection.source) ?? 0) + 1;
      perSource.set(connection.source, ofSource);
      lingering += 1;
      if (ofSource > LIMITS.anonymousPerSource || lingering > LIMITS.anonymousConnections) connection.socket.destroy();
    }
  }
}
