// Group commit: all writes of one event-loop turn share one transaction, and so one sync of the disk (21-26 times the
// rate at 64 in flight, performance.md 3 of the design pages; the bench counts it).
import type { Executor, Tx } from './store.ts';

interface PendingWrite {
  readonly op: (tx: Tx) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (cause: unknown) => void;
}

export interface TurnWriterOptions {
  /** The executor that transactions are opened on; nobody else may. */
  readonly db: Executor;
  /** Turns a failure of the database into one of ours. */
  readonly translate: (cause: unknown) => Error;
  /** What a failure of the common transaction means for its writes; `each` where it is not given. */
  readonly fate?: (failure: Error) => TurnFate;
  /** Called once per committed transaction with the number of writes in it. */
  readonly onCommit?: (writes: number) => void;
}

/**
 * `each`: one of the writes may be at fault, so each is tried behind a savepoint. `again`: nothing was committed and
 * nobody is at fault, so the turn runs anew. `all`: all fail.
 */
export type TurnFate = 'each' | 'again' | 'all';

const SAVEPOINT = 'one_write';
const RUNS = 3;

export class TurnWriter {
  readonly #options: TurnWriterOptions;
  #pending: PendingWrite[] = [];
  #running: Promise<void> | undefined;
  #armed = false;

  constructor(options: TurnWriterOptions) {
    this.#options = options;
  }

  write<T>(op: (tx: Tx) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ op, resolve: resolve as (value: unknown) => void, reject });
      this.#arm();
    });
  }

  /** Resolves when everything written before is decided. */
  async idle(): Promise<void> {
    while (this.#armed || this.#running !== undefined) {
      await (this.#running ?? new Promise<void>((resolve) => setImmediate(resolve)));
    }
  }

  #arm(): void {
    if (this.#armed || this.#running !== undefined) return;
    this.#armed = true;
    setImmediate(() => {
      this.#armed = false;
      this.#running = this.#commit(this.#pending.splice(0)).finally(() => {
        this.#running = undefined;
        if (this.#pending.length > 0) this.#arm();
      });
    });
  }

  async #commit(writes: readonly PendingWrite[]): Promise<void> {
    for (let run = 1; ; run += 1) {
      try {
        const values = await this.#together(writes);
        this.#options.onCommit?.(writes.length);
        for (const [at, { resolve }] of writes.entries()) resolve(values[at]);
        return;
      } catch (cause) {
        const failure = this.#options.translate(cause);
        const fate = this.#options.fate?.(failure) ?? 'each';
        if (fate === 'again' && run < RUNS) continue;
        if (fate === 'each' && writes.length > 1) return this.#apart(writes);
        for (const { reject } of writes) reject(failure);
        return;
      }
    }
  }

  #together(writes: readonly PendingWrite[]): Promise<unknown[]> {
    return this.#options.db.transaction().execute(async (tx) => {
      const values: unknown[] = [];
      for (const { op } of writes) values.push(await op(tx));
      return values;
    });
  }

  /** After the common transaction failed: each write behind its own savepoint, so that one bad write fails alone. */
  async #apart(writes: readonly PendingWrite[]): Promise<void> {
    const fates: (() => void)[] = [];
    const { db, translate, onCommit } = this.#options;
    try {
      const tx = await db.startTransaction().execute();
      try {
        for (const { op, resolve, reject } of writes) {
          const savepoint = await tx.savepoint(SAVEPOINT).execute();
          try {
            const value = await op(savepoint as unknown as Tx);
            await savepoint.releaseSavepoint(SAVEPOINT).execute();
            fates.push(() => resolve(value));
          } catch (cause) {
            await savepoint.rollbackToSavepoint(SAVEPOINT).execute();
            fates.push(() => reject(translate(cause)));
          }
        }
        await tx.commit().execute();
      } catch (cause) {
        await tx
          .rollback()
          .execute()
          .catch(() => undefined);
        throw cause;
      }
    } catch (cause) {
      for (const { reject } of writes) reject(translate(cause));
      return;
    }
    onCommit?.(writes.length);
    for (const settle of fates) settle();
  }
}
