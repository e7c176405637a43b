import type { Socket } from 'node:net';
import type { Clock } from '../kernel/clock.ts';
import { LIMITS } from '../kernel/limits.ts';
import { sourceOf } from './source.ts';

const STEP_MS = 20;

/**
 * Lets connections into TLS at a bounded pace: a handshake is the loop's longest piece of work, and after an outage a
 * whole fleet comes at once. Nobody is refused for coming with the others; sources take turns, and only when far too
 * many wait the newest of the source with the most goes.
 */
export class Admission {
  readonly #clock: Clock;
  readonly #admit: (socket: Socket) => void;
  readonly #waiting = new Map<string, Socket[]>();
  #count = 0;
  #allowance: number = LIMITS.handshakesPerSecond / 10;
  #filledAtMs: number;
  #stopTimer: (() => void) | undefined;

  constructor(clock: Clock, admit: (socket: Socket) => void) {
    this.#clock = clock;
    this.#admit = admit;
    this.#filledAtMs = clock.monotonic();
  }

  get waiting(): number {
    return this.#count;
  }

  take(socket: Socket): void {
    this.#refill();
    if (this.#count === 0 && this.#allowance >= 1) {
      this.#allowance -= 1;
      this.#admit(socket);
      return;
    }
    const source = sourceOf(socket.remoteAddress ?? '');
    const line = this.#waiting.get(source);
    if (line === undefined) this.#waiting.set(source, [socket]);
    else line.push(socket);
    this.#count += 1;
    // A socket that breaks while it waits must not raise an unhandled error.
    socket.on('error', () => socket.destroy());
    if (this.#count > LIMITS.connectionsWaiting) this.#dropOne();
    this.#arm();
  }

  stop(): void {
    this.#stopTimer?.();
    for (const line of this.#waiting.values()) for (const socket of line) socket.destroy();
    this.#waiting.clear();
    this.#count = 0;
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    const earned = ((now - this.#filledAtMs) / 1000) * LIMITS.handshakesPerSecond;
    this.#filledAtMs = now;
    this.#allowance = Math.min(LIMITS.handshakesPerSecond / 10, this.#allowance + earned);
  }

  #arm(): void {
    this.#stopTimer ??= this.#clock.after(STEP_MS, () => {
      this.#stopTimer = undefined;
      this.#refill();
      this.#admitWaiting();
      if (this.#count > 0) this.#arm();
    });
  }

  #admitWaiting(): void {
    while (this.#allowance >= 1) {
      const first = this.#waiting.entries().next().value;
      if (first === undefined) return;
      const [source, line] = first;
      const socket = line.shift();
      // Its source goes to the end of the round.
      this.#waiting.delete(source);
      if (line.length > 0) this.#waiting.set(source, line);
      this.#count -= 1;
      if (socket === undefined || socket.destroyed) continue;
      this.#allowance -= 1;
      this.#admit(socket);
    }
  }

  #dropOne(): void {
    let longest: Socket[] | undefined;
    for (const line of this.#waiting.values()) if (line.length > (longest?.length ?? 0)) longest = line;
    longest?.pop()?.destroy();
    this.#count -= 1;
  }
}
