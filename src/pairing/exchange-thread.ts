import { Worker } from 'node:worker_threads';
import { assetText } from '../kernel/assets.ts';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { CodeKind } from '../pake/context.ts';
import type { PakeKeys, PakeResult, PakeTask } from './pake-messages.ts';
import { tooMany } from './rate-limits.ts';

const QUEUE = 32;
/** The rest is for PINs: whoever asks for tokens that do not exist, in whatever number, does not stop them. */
const QUEUE_FOR_TOKENS = 24;
/** One exchange takes about 15 ms; by then a good part of the queue is done. */
const RETRY_AFTER_MS = 500;
// Starting it again takes 50 ms, which no person who types a PIN notices; it holds 15 MiB.
const IDLE_MS = 3_000;

interface Waiting {
  readonly resolve: (keys: PakeKeys) => void;
  readonly reject: (cause: Error) => void;
}

/**
 * The daemon's part of the key exchange, in one thread: 15 ms of plain arithmetic that whoever reaches the port can ask
 * for must not stand in the way of everything else. The thread starts at the first exchange and keeps the process
 * alive only while somebody waits for it.
 */
export class ExchangeThread {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  readonly #reserved = { pin: 0, token: 0 };
  #lastId = 0;
  #stopIdle: (() => void) | undefined;
  readonly #clock: Pick<Clock, 'after'>;

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock;
  }

  get isRunning(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * Takes a place in the queue, before anything is charged for it; the returned function gives it back.
   * Errors: too_many_requests.
   */
  reserve(kind: CodeKind): () => void {
    const { pin, token } = this.#reserved;
    if (pin + token >= QUEUE || (kind === 'token' && token >= QUEUE_FOR_TOKENS)) {
      throw tooMany('too many key exchanges at once', RETRY_AFTER_MS);
    }
    this.#reserved[kind] += 1;
    let held = true;
    return () => {
      if (held) this.#reserved[kind] -= 1;
      held = false;
    };
  }

  /** Errors: invalid_argument for a share that is no good. */
  respond(task: Omit<PakeTask, 'id'>): Promise<PakeKeys> {
    this.#lastId += 1;
    const id = this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<PakeKeys>();
    this.#waiting.set(id, { resolve, reject });
    this.#worker ??= this.#start();
    this.#stopIdle?.();
    this.#worker.ref();
    this.#worker.postMessage({ ...task, id } satisfies PakeTask);
    return promise;
  }

  async close(): Promise<void> {
    this.#stopIdle?.();
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(assetText('workers/pake.cjs'), { eval: true, name: 'palyra-pake' });
    worker.on('message', (result: PakeResult) => {
      const waiting = this.#waiting.get(result.id);
      this.#waiting.delete(result.id);
      if (this.#waiting.size === 0) this.#rest(worker);
      if ('keys' in result) waiting?.resolve(result.keys);
      else waiting?.reject(new PalyraError('invalid_argument', result.refused));
    });
    worker.on('error', (cause) => this.#ended(worker, cause));
    worker.on('exit', () => this.#ended(worker, new Error('the thread of key exchanges has ended')));
    return worker;
  }

  /** Nobody waits: it keeps nothing alive, and after a while gives its memory back. */
  #rest(worker: Worker): void {
    worker.unref();
    this.#stopIdle = this.#clock.after(IDLE_MS, () => {
      if (this.#waiting.size > 0 || this.#worker !== worker) return;
      this.#worker = undefined;
      void worker.terminate();
    });
  }

  /** Whoever waits is told; the next exchange starts another thread. */
  #ended(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(cause instanceof Error ? cause : new Error(String(cause)));
  }
}
