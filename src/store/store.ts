import type { Kysely, Transaction } from 'kysely';
import type { FleetListener } from './fleet-change.ts';
import type { Schema } from './schema.ts';

/** Something SQL runs on: the reader outside a transaction, or the transaction of a write. */
export type Executor = Kysely<Schema>;
/** Only what runs inside a write gets one, so a function that takes it cannot be called outside. */
export type Tx = Transaction<Schema>;

/**
 * The store as the domain rooms see it. Repositories (src/store/<table>.ts) are functions that take an Executor or Tx
 * first; nobody keeps one. A write must only touch its Tx and plain values: it may run twice (once in the common
 * transaction of the turn, once alone after that failed), and its effects in memory belong after the await.
 */
export interface Store {
  readonly dialect: 'sqlite' | 'postgres';
  /** Sees committed state only. */
  readonly reader: Executor;
  /**
   * Runs `op` in the transaction that all writes of this event-loop turn share; resolves when it is on disk.
   * Rejects with what `op` threw (its statements undone, its neighbours kept), `disk_full` or `store_unavailable`.
   */
  write<T>(op: (tx: Tx) => Promise<T>): Promise<T>;
  /** Tells after each commit that changed devices, certificates, codes or pairing requests. Returns what ends it. */
  onFleetChange(listener: FleetListener): () => void;
  close(): Promise<void>;
}
