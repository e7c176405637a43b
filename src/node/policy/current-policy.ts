// The owner's policy as it is now: read again when its file changes, and all denied while it cannot be read.
import { statSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../kernel/clock.ts';
import { PalyraError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { NodePolicy, type Offer } from './node-policy.ts';
import type { Capabilities } from './policy-document.ts';
import { loadPolicy } from './policy-file.ts';

/** An owner who saved the file sees it in force within this. */
const LOOK_MS = 1_000;

interface CurrentPolicyOptions {
  readonly path: string;
  readonly capabilities: Capabilities;
  readonly clock: Clock;
  readonly log: Logger;
}

const denyAll = (capabilities: Capabilities): NodePolicy =>
  new NodePolicy({ version: 1, capabilities: {} }, capabilities);

export class CurrentPolicy {
  readonly #options: CurrentPolicyOptions;
  readonly #listeners = new Set<() => void>();
  #policy: NodePolicy;
  #fault: PalyraError | undefined;
  #seen = '';
  #stopLooking: (() => void) | undefined;
  #closed = false;

  private constructor(options: CurrentPolicyOptions) {
    this.#options = options;
    this.#policy = denyAll(options.capabilities);
  }

  /** Never fails: what cannot be read denies everything and says so. */
  static async open(options: CurrentPolicyOptions): Promise<CurrentPolicy> {
    const opened = new CurrentPolicy(options);
    await opened.#load();
    opened.#look();
    return opened;
  }

  get policy(): NodePolicy {
    return this.#policy;
  }

  /** Why everything is denied; undefined: the file is good, or there is none. */
  get fault(): string | undefined {
    return this.#fault === undefined ? undefined : `everything is denied: ${this.#fault.message}`;
  }

  /** What the node announces now. */
  offers(): Offer[] {
    const offers = this.#policy.offers();
    const { fault } = this;
    return fault === undefined ? offers : offers.map((offer) => ({ ...offer, unavailable_reason: fault }));
  }

  /** Calls `listener` after each change; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#stopLooking?.();
  }

  /** By looking: a watch of the system misses what editors do, and network file systems tell nothing. */
  #look(): void {
    if (this.#closed) return;
    this.#stopLooking = this.#options.clock.after(LOOK_MS, () => {
      void (this.#mark() === this.#seen ? Promise.resolve() : this.#load()).finally(() => this.#look());
    });
  }

  async #load(): Promise<void> {
    const { path, capabilities, log } = this.#options;
    const before = { document: this.#policy.document, fault: this.fault };
    // Before the file is read: a change in between is seen at the next look.
    this.#seen = this.#mark();
    try {
      this.#policy = (await loadPolicy(path, capabilities)).policy;
      this.#fault = undefined;
    } catch (cause) {
      this.#policy = denyAll(capabilities);
      this.#fault = cause instanceof PalyraError ? cause : new PalyraError('policy_invalid', String(cause));
      log.error({ code: this.#fault.code, hint: this.#fault.hint }, this.fault);
    }
    if (isDeepStrictEqual(before, { document: this.#policy.document, fault: this.fault })) return;
    if (this.#fault === undefined) log.info({ path }, 'the policy is in force');
    for (const listener of this.#listeners) listener();
  }

  #mark(): string {
    const stats = statSync(this.#options.path, { throwIfNoEntry: false });
    if (stats === undefined) return '';
    return [stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs, stats.mode, stats.uid].join(' ');
  }
}
