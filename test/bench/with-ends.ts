/** Who ends what was started. */
export interface Ends {
  after(end: () => Promise<void>): void;
}

/** Runs `work`; what it started ends after it, the last one first. */
export async function withEnds<T>(work: (t: Ends) => Promise<T>): Promise<T> {
  const ends: (() => Promise<void>)[] = [];
  try {
    return await work({ after: (end) => void ends.push(end) });
  } finally {
    for (const end of ends.reverse()) await end();
  }
}
