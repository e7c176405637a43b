import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Connections } from './connections.ts';
import { deviceByCertificate, type GuardPorts } from './enforce-cert-bound-device.ts';
import type { NodeSession } from './node-session.ts';

const LOOK_MS = 5_000;

/** The open streams of this daemon, one per device: the newest. */
export class NodeSessions {
  readonly #clock: Clock;
  readonly #guard: Pick<GuardPorts, 'identity' | 'clock'>;
  readonly #connections: Connections;
  readonly #byDevice = new Map<DeviceId, NodeSession>();
  #stopTimer: (() => void) | undefined;
  #recheckedAtMs: number;

  constructor(guard: GuardPorts) {
    this.#clock = guard.clock;
    this.#guard = guard;
    this.#connections = guard.connections;
    this.#recheckedAtMs = guard.clock.monotonic();
  }

  get size(): number {
    return this.#byDevice.size;
  }

  of(deviceId: DeviceId): NodeSession | undefined {
    return this.#byDevice.get(deviceId);
  }

  /** A newer stream of a device ends the one before. */
  add(session: NodeSession): void {
    const before = this.#byDevice.get(session.deviceId);
    this.#byDevice.set(session.deviceId, session);
    before?.fail(new PalyraError('session_superseded', 'a newer stream of this device replaced this one'));
  }

  remove(session: NodeSession): void {
    if (this.#byDevice.get(session.deviceId) === session) this.#byDevice.delete(session.deviceId);
  }

  /** Cuts a device off: its stream hears why, then its connections are destroyed. */
  cut(deviceId: DeviceId, cause: PalyraError): void {
    this.#byDevice.get(deviceId)?.fail(cause);
    const connections = this.#connections.ofDevice(deviceId);
    this.#clock.after(LIMITS.farewellMs, () => {
      for (const { socket } of connections) socket.destroy();
    });
  }

  drain(retryAfterMs: number): void {
    for (const session of this.#byDevice.values()) session.drain(retryAfterMs);
  }

  finish(): void {
    for (const session of this.#byDevice.values()) session.finish();
  }

  start(): void {
    this.#stopTimer = this.#clock.after(LOOK_MS, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#stopTimer?.();
  }

  #look(): void {
    const now = this.#clock.monotonic();
    const recheck = now - this.#recheckedAtMs >= LIMITS.recheckMs;
    if (recheck) this.#recheckedAtMs = now;
    for (const session of this.#byDevice.values()) {
      if (now - session.lastFrameAtMs > LIMITS.silenceMs) {
        this.cut(session.deviceId, new PalyraError('node_offline', 'nothing came from the node for 45 seconds'));
      } else if (recheck) this.#recheck(session);
    }
  }

  #recheck(session: NodeSession): void {
    try {
      deviceByCertificate(this.#guard, session.fingerprint, 'device');
    } catch (error) {
      if (!(error instanceof PalyraError)) throw error;
      this.cut(session.deviceId, error);
    }
  }
}
