import { createHash } from 'node:crypto';
import { LIMITS } from '../../kernel/limits.ts';

interface Chunk {
  readonly offset: number;
  readonly data: Buffer;
}

/** One output stream of a request on the node: hashed and counted, and held until the daemon acknowledged it. */
export class KeptChannel {
  readonly #hash = createHash('sha256');
  #chunks: Chunk[] = [];
  #size = 0;
  #acked = 0;
  #held = 0;

  get sizeBytes(): number {
    return this.#size;
  }

  /** Bytes that are still held here. */
  get heldBytes(): number {
    return this.#held;
  }

  append(data: Buffer): Chunk {
    const chunk = { offset: this.#size, data };
    this.#hash.update(data);
    this.#chunks.push(chunk);
    this.#size += data.length;
    this.#held += data.length;
    return chunk;
  }

  acknowledge(offset: number): void {
    this.#acked = Math.max(this.#acked, Math.min(offset, this.#size));
    this.#dropWhile(({ offset: at, data }) => at + data.length <= this.#acked);
  }

  /** Lets the oldest bytes go, but for the last that a record keeps. */
  keepTail(): void {
    const from = this.#size - LIMITS.outputTailBytes;
    this.#dropWhile(({ offset, data }) => offset + data.length <= from);
  }

  /** What the other side lacks from `offset` on, with the bytes right before each that nobody has any more. */
  from(offset: number): readonly (Chunk & { readonly skippedBytes: number })[] {
    const lacking = this.#chunks.filter((chunk) => chunk.offset + chunk.data.length > offset);
    const [first] = lacking;
    if (first === undefined) {
      if (this.#size <= offset) return [];
      return [{ offset: this.#size, data: Buffer.alloc(0), skippedBytes: this.#size - offset }];
    }
    return lacking.map((chunk, at) => ({ ...chunk, skippedBytes: at === 0 ? Math.max(0, chunk.offset - offset) : 0 }));
  }

  /** Of all bytes. */
  sha256(): Buffer {
    return this.#hash.copy().digest();
  }

  #dropWhile(gone: (chunk: Chunk) => boolean): void {
    let count = 0;
    for (const chunk of this.#chunks) {
      if (!gone(chunk)) break;
      count += 1;
      this.#held -= chunk.data.length;
    }
    if (count > 0) this.#chunks = this.#chunks.slice(count);
  }
}
