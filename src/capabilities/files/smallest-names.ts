/**
 * The `count` smallest names greater than `after`, sorted by their bytes. A folder of a million entries is read to
 * its end for each page, but never held in memory.
 */
export async function smallestNames(
  names: AsyncIterable<Buffer>,
  after: Buffer,
  count: number,
  signal: AbortSignal,
): Promise<Buffer[]> {
  let kept: Buffer[] = [];
  let bound: Buffer | undefined;
  const cut = (): void => {
    kept = kept.toSorted((one, other) => Buffer.compare(one, other)).slice(0, count);
    bound = kept.length === count ? kept.at(-1) : undefined;
  };
  for await (const name of names) {
    signal.throwIfAborted();
    if (Buffer.compare(name, after) <= 0) continue;
    if (bound !== undefined && Buffer.compare(name, bound) >= 0) continue;
    kept.push(name);
    if (kept.length >= 2 * count) cut();
  }
  cut();
  return kept;
}
