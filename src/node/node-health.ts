/** What is wrong with this node although it runs: the first of several reasons, for its operators. */
export class NodeHealth {
  readonly #reasons = new Map<string, string>();
  readonly #listeners = new Set<() => void>();

  /** Undefined: healthy. */
  get reason(): string | undefined {
    return this.#reasons.values().next().value;
  }

  /** Says how one part is; undefined: well. */
  tell(part: string, reason: string | undefined): void {
    const before = this.reason;
    if (reason === undefined) this.#reasons.delete(part);
    else this.#reasons.set(part, reason);
    if (this.reason === before) return;
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` after each change; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
