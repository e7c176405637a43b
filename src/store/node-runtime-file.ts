import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import type { FleetChange } from './fleet-change.ts';
import { runtimeText } from './runtime-text.ts';
import type { Store } from './store.ts';
import { writeStreamed } from './streamed-file.ts';

export interface NodeRuntimeFileOptions {
  readonly path: string;
  readonly store: Store;
  readonly daemonId: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const MIB = 1024 * 1024;

/** Keeps node-runtime.v1.json a copy of the fleet: soon after a change, never for a read or a heartbeat. */
export class NodeRuntimeFile {
  readonly #options: NodeRuntimeFileOptions;
  readonly #unlisten: () => void;
  #lastBytes = 0;
  #due: { readonly at: number; readonly cancel: () => void } | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: NodeRuntimeFileOptions) {
    this.#options = options;
    this.#unlisten = options.store.onFleetChange((change) => this.changed(change));
    // What a killed daemon was writing.
    const name = basename(options.path);
    for (const entry of readdirSync(dirname(options.path))) {
      if (entry.startsWith(`${name}.`) && entry.endsWith('.tmp')) rmSync(join(dirname(options.path), entry));
    }
  }

  /** How long a change may wait: 1 s, a second more per MiB of the last copy, at most 30 s. */
  get delayMs(): number {
    return Math.min(LIMITS.runtimeFileMs * (1 + Math.floor(this.#lastBytes / MIB)), LIMITS.runtimeFileLongestMs);
  }

  /** Makes the next copy due; a change of trust waits no longer than for a small fleet. */
  changed(change: FleetChange = 'fleet'): void {
    this.#plan(change === 'trust' ? LIMITS.runtimeFileMs : this.delayMs);
  }

  /** Writes a copy without requests at once. Rejects as `writeStreamed` does. */
  write(): Promise<void> {
    return this.#enqueue(false);
  }

  /** Resolves when no copy is being written. */
  idle(): Promise<void> {
    return this.#writing;
  }

  /** The last copy, at a clean stop when nothing runs any more: with the requests in flight. Ends the file's work. */
  async flush(): Promise<void> {
    this.#unlisten();
    await this.#enqueue(true);
  }

  #plan(delayMs: number): void {
    const { clock, log } = this.#options;
    const at = clock.monotonic() + delayMs;
    if (this.#due !== undefined && this.#due.at <= at) return;
    this.#due?.cancel();
    const cancel = clock.after(delayMs, () => {
      const failed = 'the copy of the fleet could not be written; it is tried again';
      this.#enqueue(false).catch((cause: unknown) => log.error({ err: cause, path: this.#options.path }, failed));
    });
    this.#due = { at, cancel };
  }

  /** One at a time; each reads what is there when its turn comes. */
  #enqueue(withRequests: boolean): Promise<void> {
    const written = this.#writing.then(() => this.#write(withRequests));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #write(withRequests: boolean): Promise<void> {
    const { path, store, daemonId, clock, log } = this.#options;
    // What changes from here on may be missed, and makes the next one due.
    this.#due?.cancel();
    this.#due = undefined;
    const started = clock.monotonic();
    const text = runtimeText(store.reader, {
      daemonId,
      nowUnixMs: clock.now(),
      withRequests,
      longestBytes: LIMITS.runtimeFileBytes / 2,
      onOmitted: (requests) =>
        log.warn({ requests }, 'requests in flight are too large for the copy and are not in it'),
    });
    try {
      this.#lastBytes = await writeStreamed(path, text);
    } catch (cause) {
      if (!withRequests) this.#plan(LIMITS.runtimeFileLongestMs);
      throw cause;
    }
    const duration_ms = Math.round(clock.monotonic() - started);
    log.debug({ path, size_bytes: this.#lastBytes, duration_ms }, 'the copy of the fleet is written');
  }
}
