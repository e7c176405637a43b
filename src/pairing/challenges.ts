import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../kernel/clock.ts';
import { LIMITS } from '../kernel/limits.ts';

const TIME_BYTES = 8;
const RANDOM_BYTES = 8;
const HEAD_BYTES = TIME_BYTES + RANDOM_BYTES;
const CHALLENGE_BYTES = HEAD_BYTES + 32;

/**
 * Challenges that nobody keeps: time ‖ random ‖ HMAC over those and the subject. They survive a restart and count for
 * LIMITS.challengeMs; a replay within that time only repeats a read.
 */
export class Challenges {
  readonly #key: Buffer;
  readonly #clock: Clock;

  constructor(key: Buffer, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  issue(subject: string): Buffer {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeBigUInt64BE(BigInt(this.#clock.now()));
    randomBytes(RANDOM_BYTES).copy(head, TIME_BYTES);
    return Buffer.concat([head, this.#seal(head, subject)]);
  }

  /** Whether this is a challenge of ours for this subject that still counts. */
  accepts(challenge: Buffer, subject: string): boolean {
    if (challenge.length !== CHALLENGE_BYTES) return false;
    const head = challenge.subarray(0, HEAD_BYTES);
    if (!timingSafeEqual(challenge.subarray(HEAD_BYTES), this.#seal(head, subject))) return false;
    // Also from the near future: the clock of this machine may have been set back.
    return Math.abs(this.#clock.now() - Number(head.readBigUInt64BE())) <= LIMITS.challengeMs;
  }

  #seal(head: Buffer, subject: string): Buffer {
    return createHmac('sha256', this.#key).update(head).update(subject).digest();
  }
}
