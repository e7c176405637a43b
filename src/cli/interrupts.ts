const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Turns Ctrl-C and its kin into calls: the first asks to end, the second to let go. */
export class Interrupts {
  readonly #onSignal: () => void;
  #count = 0;

  constructor(onFirst: () => void, onSecond: () => void) {
    this.#onSignal = () => {
      this.#count += 1;
      if (this.#count === 1) onFirst();
      else if (this.#count === 2) onSecond();
    };
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /** Gives the signals back to the system. */
  stop(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  get any(): boolean {
    return this.#count > 0;
  }
}
