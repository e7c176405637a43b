import type { Writable } from 'node:stream';
import { systemCode } from '../kernel/errors.ts';
import { TerminalFilter } from './terminal-filter.ts';

/** Thrown when the reader of our output has closed it. */
export class OutputClosed extends Error {}

/**
 * One of our own output streams as the place where a remote program's bytes belong: as they are, or made harmless
 * where a terminal shows them.
 */
export class LocalOutput {
  readonly #stream: Writable;
  readonly #filter: TerminalFilter | undefined;

  constructor(stream: NodeJS.WriteStream | Writable, { raw = false }: { readonly raw?: boolean } = {}) {
    this.#stream = stream;
    const terminal = 'isTTY' in stream && stream.isTTY;
    this.#filter = terminal && !raw ? new TerminalFilter() : undefined;
  }

  /** Resolves when the stream has taken the bytes. Errors: `OutputClosed`. */
  write(data: Buffer): Promise<void> {
    const bytes = this.#filter === undefined ? data : this.#filter.filter(data);
    if (bytes.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#stream.write(bytes, (cause) => {
        if (cause === null || cause === undefined) resolve();
        else reject(systemCode(cause) === 'EPIPE' || this.#stream.destroyed ? new OutputClosed() : cause);
      });
    });
  }
}
