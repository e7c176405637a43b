// What a bench says: ratios against limits, per round, and which of them were missed too often.
import { median, quantile } from './measure.ts';

export interface Figure {
  /** `1 durable round trip, U 0.1 ms`: the number is that of the target. */
  readonly target: string;
  /** A ratio to a yardstick of the same round, or a count. */
  readonly value: number;
  readonly limit: number;
  readonly atLeast?: boolean;
  readonly unit: string;
  /** Depends on the clock, so it says nothing on a disturbed machine. */
  readonly timed: boolean;
  /** Absolute values behind it. */
  readonly note: string;
}

// A limit is missed when it is missed by more than this.
const TOLERANCE = 1.1;
const MISSED_ROUNDS = 2;

const isMissed = ({ value, limit, atLeast = false }: Figure): boolean =>
  Number.isNaN(value) || (atLeast ? value * TOLERANCE < limit : value > limit * TOLERANCE);

export interface Row {
  readonly target: string;
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  readonly limit: string;
  readonly missed: number;
  readonly failed: boolean;
  readonly note: string;
}

/** One row for each target, over all rounds. */
export function rowsOf(figures: readonly Figure[], disturbed: boolean): Row[] {
  const byTarget = Map.groupBy(figures, ({ target }) => target);
  return [...byTarget].map(([target, rounds]) => {
    const values = rounds.map(({ value }) => value);
    const missed = rounds.filter(isMissed).length;
    const [first] = rounds;
    const middle = rounds.find(({ value }) => value === median(values)) ?? first;
    return {
      target,
      median: median(values),
      lowest: quantile(values, 0),
      highest: Math.max(...values),
      limit: `${first?.atLeast === true ? '>=' : '<='} ${first?.limit} ${first?.unit}`,
      missed,
      failed: missed >= MISSED_ROUNDS && !(disturbed && first?.timed === true),
      note: middle?.note ?? '',
    };
  });
}

const digits = (value: number): string => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);

/** The table for a person. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const verdict = row.failed ? 'MISSED' : row.missed > 0 ? `missed ${row.missed}x` : 'ok';
    const spread = `${digits(row.lowest)}..${digits(row.highest)}`;
    return [
      row.target.padEnd(44),
      digits(row.median).padStart(7),
      spread.padStart(15),
      row.limit.padEnd(18),
      verdict.padEnd(10),
      row.note,
    ].join('  ');
  });
  return `${lines.join('\n')}\n`;
}
