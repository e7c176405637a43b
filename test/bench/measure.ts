import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';

/** Microseconds of one call, and how many a second. */
export interface Timing {
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly perSecond: number;
}

export const quantile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN;

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Keeps `width` calls under way for `ms`. */
export async function timed(width: number, ms: number, call: () => Promise<unknown>): Promise<Timing> {
  const tookUs: number[] = [];
  const from = performance.now();
  const until = from + ms;
  const worker = async (): Promise<void> => {
    do {
      const before = performance.now();
      await call();
      tookUs.push((performance.now() - before) * 1000);
    } while (performance.now() < until);
  };
  await Promise.all(Array.from({ length: width }, worker));
  const seconds = (performance.now() - from) / 1000;
  return {
    p50Us: median(tookUs),
    p90Us: quantile(tookUs, 0.9),
    p99Us: quantile(tookUs, 0.99),
    perSecond: tookUs.length / seconds,
  };
}

const BLOCK_BYTES = 4096;
const BLOCKS = 1024;

/** One sync after 4 KiB of a file of full size were overwritten: what a write-ahead log does in its steady state. */
export function timedSync(path: string, ms: number): Pick<Timing, 'p50Us' | 'p90Us'> {
  const fd = openSync(path, 'w+', 0o600);
  const block = Buffer.alloc(BLOCK_BYTES, 7);
  try {
    for (let at = 0; at < BLOCKS; at += 1) writeSync(fd, block, 0, BLOCK_BYTES, at * BLOCK_BYTES);
    fdatasyncSync(fd);
    const tookUs: number[] = [];
    const until = performance.now() + ms;
    for (let at = 0; performance.now() < until; at = (at + 1) % BLOCKS) {
      writeSync(fd, block, 0, BLOCK_BYTES, at * BLOCK_BYTES);
      const before = performance.now();
      fdatasyncSync(fd);
      tookUs.push((performance.now() - before) * 1000);
    }
    return { p50Us: median(tookUs), p90Us: quantile(tookUs, 0.9) };
  } finally {
    closeSync(fd);
    rmSync(path, { force: true });
  }
}
