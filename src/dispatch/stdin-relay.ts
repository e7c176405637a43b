import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { BulkLink } from './node-link.ts';

interface Piece {
  readonly offset: number;
  readonly data: Buffer;
}

/**
 * Standard input on its way to the node: kept until the node acknowledged it, so that a cut of the link loses
 * nothing; no more than the credit is taken from the operator before that.
 */
export class StdinRelay {
  #pieces: Piece[] = [];
  #acked = 0;
  #sent = 0;
  #next = 0;
  #ended = false;
  #endSent = false;
  #link: BulkLink | undefined;
  #waiting: { readonly resolve: () => void; readonly reject: (cause: Error) => void }[] = [];
  #closedByNode = false;

  get ackedBytes(): number {
    return this.#acked;
  }
  get closed(): boolean {
    return this.#closedByNode;
  }

  /** Takes bytes at `offset`; resolves when there is room for more. */
  async take(offset: number, data: Buffer, end: boolean): Promise<void> {
    // A program that closed its input reads no more: what still comes is dropped, as a pipe's writer would be told.
    if (this.#closedByNode) return;
    if (offset > this.#next) {
      throw new PalyraError('conflict', `standard input continues at byte ${this.#next}, not ${offset}`, {
        details: { expected_offset_bytes: this.#next },
      });
    }
    const fresh = data.subarray(this.#next - offset);
    if (fresh.length > 0) this.#pieces.push({ offset: this.#next, data: fresh });
    this.#next += fresh.length;
    this.#ended ||= end;
    this.#flush();
    while (this.#next - this.#acked >= LIMITS.stdinCreditBytes && !this.#closedByNode) {
      await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
  }

  /** The node opened its bulk stream and has everything before `ackedBytes`. */
  attach(link: BulkLink, ackedBytes: number): void {
    this.#link = link;
    this.#endSent = false;
    this.resumeAt(ackedBytes);
    this.#flush();
  }

  detach(link: BulkLink): void {
    if (this.#link === link) this.#link = undefined;
  }

  /** After a restart of this daemon the bytes before are with the node, not here. */
  resumeAt(ackedBytes: number): void {
    this.#next = Math.max(this.#next, ackedBytes);
    this.#release(ackedBytes);
    this.#sent = ackedBytes;
  }

  acknowledge(ackedBytes: number, closed: boolean): void {
    this.#closedByNode ||= closed;
    this.#release(ackedBytes);
  }

  /** The request has ended: nobody waits any longer. */
  abort(cause: Error): void {
    this.#pieces = [];
    this.#link = undefined;
    this.#closedByNode = true;
    for (const { reject } of this.#waiting.splice(0)) reject(cause);
  }

  #release(ackedBytes: number): void {
    if (ackedBytes > this.#acked) this.#acked = Math.min(ackedBytes, this.#next);
    this.#pieces = this.#pieces.filter(({ offset, data }) => offset + data.length > this.#acked);
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  #flush(): void {
    const link = this.#link;
    if (link === undefined) return;
    for (const { offset, data } of this.#pieces) {
      if (offset + data.length <= this.#sent) continue;
      const part = data.subarray(Math.max(0, this.#sent - offset));
      for (let at = 0; at < part.length; at += LIMITS.chunkBytes) {
        link.stdin(this.#sent, part.subarray(at, at + LIMITS.chunkBytes), false);
        this.#sent += Math.min(LIMITS.chunkBytes, part.length - at);
      }
    }
    if (this.#ended && !this.#endSent) {
      this.#endSent = true;
      link.stdin(this.#next, Buffer.alloc(0), true);
    }
  }
}
