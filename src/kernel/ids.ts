import { randomBytes } from 'node:crypto';
import { monotonicFactory } from 'ulid';

declare const brand: unique symbol;
type Brand<Name extends string> = string & { readonly [brand]: Name };

/** A device: an enrolled identity. ULID. */
export type DeviceId = Brand<'DeviceId'>;
/** One dispatch of a capability. ULID. */
export type RequestId = Brand<'RequestId'>;
/** One run of a node's stream. ULID. */
export type SessionId = Brand<'SessionId'>;

// ulid() asks the system for randomness per call (24 µs); a pool of it is drawn once per 64 ids.
let pool = Buffer.alloc(0);
let at = 0;
function pooledRandom(): number {
  if (at === pool.length) {
    pool = randomBytes(1024);
    at = 0;
  }
  const byte = pool[at] ?? 0;
  at += 1;
  return byte / 256;
}

/** Makes ids that only ever grow, also when the clock jumps back. Each maker has its own order. */
export function idMaker(now: () => number): () => string {
  const next = monotonicFactory(pooledRandom);
  return () => next(now());
}
