/** Standard input of a request as it comes from the daemon: in order, each byte once. */
export class RequestStdin {
  readonly #acknowledge: (bytes: number, closed: boolean) => void;
  readonly #pieces: Buffer[] = [];
  #received = 0;
  #taken = 0;
  #ended = false;
  #closed = false;
  #more = Promise.withResolvers<void>();

  constructor(acknowledge: (bytes: number, closed: boolean) => void) {
    this.#acknowledge = acknowledge;
  }

  get takenBytes(): number {
    return this.#taken;
  }

  /** What was sent before is cut off; what leaves a gap is not taken, and comes again. */
  push(offset: number, data: Buffer, end: boolean): void {
    if (this.#closed || offset > this.#received) return;
    const fresh = data.subarray(this.#received - offset);
    if (fresh.length > 0) this.#pieces.push(fresh);
    this.#received += fresh.length;
    this.#ended ||= end;
    this.#wake();
  }

  /** The program reads no more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pieces.splice(0);
    this.#acknowledge(this.#taken, true);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      while (!this.#closed) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) {
          yield piece;
          this.#taken += piece.length;
          if (!this.#closed) this.#acknowledge(this.#taken, false);
        } else if (this.#ended) return;
        else await this.#more.promise;
      }
    } finally {
      this.close();
    }
  }

  #wake(): void {
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  }
}

/** Standard input that came with its request. */
export async function* wholeStdin(data: Buffer): AsyncGenerator<Buffer> {
  if (data.length > 0) yield data;
}
