import { LIMITS } from '../kernel/limits.ts';
import type { KeptChannel } from './types.ts';

interface Chunk {
  readonly offset: number;
  readonly data: Buffer;
}

const end = ({ offset, data }: Chunk): number => offset + data.length;

/**
 * One output stream of a request as the daemon holds it: its head for the record, and a window of what some watcher
 * has not taken yet. Bytes come contiguously; a repeated chunk (the node sends again after a reconnect) is cut to
 * what is new.
 */
export class ChannelOutput {
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #window: Chunk[] = [];
  #received = 0;
  #gap: { readonly from: number; readonly to: number } | undefined;

  /** Offset of the next byte that is not here yet. */
  get received(): number {
    return this.#received;
  }

  /** Takes a chunk; false when bytes before it are missing, so that it must be sent again. */
  append(offset: number, data: Buffer): boolean {
    if (offset > this.#received) return false;
    const fresh = data.subarray(this.#received - offset);
    if (fresh.length === 0) return true;
    const missing = LIMITS.outputHeadBytes - this.#headBytes;
    if (missing > 0 && this.#gap === undefined) {
      const part = fresh.subarray(0, missing);
      this.#head.push(part);
      this.#headBytes += part.length;
    }
    this.#window.push({ offset: this.#received, data: fresh });
    this.#received += fresh.length;
    return true;
  }

  /** Notes bytes that the node no longer has; what follows them is taken from then on. */
  skip(from: number, to: number): void {
    if (to <= this.#received || from > this.#received) return;
    this.#gap = { from: this.#received, to };
    this.#received = to;
  }

  /** Lets go of what lies before `offset`, but for the last bytes that the record keeps. */
  release(offset: number): void {
    const keepFrom = Math.min(offset, this.#received - LIMITS.outputTailBytes);
    let drop = 0;
    for (const chunk of this.#window) {
      if (end(chunk) > keepFrom) break;
      drop += 1;
    }
    if (drop > 0) this.#window = this.#window.slice(drop);
  }

  /** The next bytes at `offset`, or where the next ones begin; undefined when there are none yet. */
  read(offset: number): Chunk | { readonly missingUntil: number } | undefined {
    if (offset >= this.#received) return undefined;
    if (offset < this.#headBytes) {
      const head = Buffer.concat(this.#head);
      if (this.#head.length > 1) this.#head.splice(0, this.#head.length, head);
      const part = head.subarray(offset, offset + LIMITS.chunkBytes);
      return { offset, data: part };
    }
    for (const chunk of this.#window) {
      if (offset < chunk.offset) return { missingUntil: chunk.offset };
      if (offset < end(chunk)) return { offset, data: chunk.data.subarray(offset - chunk.offset) };
    }
    return { missingUntil: this.#received };
  }

  /** What the record keeps: the head, and from the window what lies behind it. */
  kept(): KeptChannel {
    const head = Buffer.concat(this.#head);
    const last = this.#contiguousEnd().filter((chunk) => end(chunk) > head.length);
    const first = last[0];
    const tailOffsetBytes = first === undefined ? this.#received : Math.max(first.offset, head.length);
    const tail = last.map((chunk) => chunk.data.subarray(Math.max(0, tailOffsetBytes - chunk.offset)));
    return {
      head,
      tail: tail.length === 0 ? null : Buffer.concat(tail),
      tailOffsetBytes,
      sizeBytes: this.#received,
      truncated: tailOffsetBytes > head.length || this.#gap !== undefined,
    };
  }

  /** The chunks of the window behind the last gap. */
  #contiguousEnd(): readonly Chunk[] {
    let from = this.#window.length;
    let next = this.#received;
    while (from > 0) {
      const chunk = this.#window[from - 1];
      if (chunk === undefined || end(chunk) !== next) break;
      next = chunk.offset;
      from -= 1;
    }
    return this.#window.slice(from);
  }
}
