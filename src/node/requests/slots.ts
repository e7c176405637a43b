interface Waiting {
  readonly start: () => void;
}

/** Places for requests of one capability: who comes first goes first. */
export class Slots {
  readonly #waiting: Waiting[] = [];
  #taken = 0;

  get queued(): number {
    return this.#waiting.length;
  }

  /** Calls `start` when there is a place; the returned function gives the wait up. */
  take(places: number, start: () => void): () => void {
    if (this.#taken < places) {
      this.#taken += 1;
      start();
      return () => undefined;
    }
    const waiting = { start };
    this.#waiting.push(waiting);
    return () => {
      const at = this.#waiting.indexOf(waiting);
      if (at >= 0) this.#waiting.splice(at, 1);
    };
  }

  /** A request of a place has ended. */
  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else next.start();
  }
}
