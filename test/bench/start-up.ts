// Target 15 and idle memory: what a person waits for at every command, and what a machine carries all day.
import { execFileSync } from 'node:child_process';
import { systemClock } from '../../src/kernel/clock.ts';
import { PairedFleet } from '../support/paired-fleet.ts';
import { type BenchPlace, rssBytes } from './bench-fleet.ts';
import type { Figure } from './figures.ts';
import { median } from './measure.ts';
import { withEnds } from './with-ends.ts';

const STARTS = 15;
const SETTLE_MS = 5_000;
const MIB = 1024 * 1024;

function startMs(file: string, argv: readonly string[], home: string): number {
  const from = performance.now();
  execFileSync(file, argv, { stdio: 'ignore', env: { PATH: process.env['PATH'], PALYRA_HOME: home } });
  return performance.now() - from;
}

/** Turn by turn, so that a noisy moment hits all of them. `node status` is that of a machine that is connected. */
export function startUpFigures(binary: string, nodeHome: string): Figure[] {
  const bare: number[] = [];
  const version: number[] = [];
  const status: number[] = [];
  for (let start = 0; start < STARTS; start += 1) {
    bare.push(startMs(process.execPath, ['-e', '0'], nodeHome));
    version.push(startMs(binary, ['--version'], nodeHome));
    status.push(startMs(binary, ['node', 'status'], nodeHome));
  }
  const yardstick = median(bare);
  const figure = (target: string, values: readonly number[], limit: number): Figure => ({
    target,
    value: median(values) / yardstick,
    limit,
    unit: 'x node -e 0',
    timed: true,
    note: `${median(values).toFixed(1)} ms; node -e 0 ${yardstick.toFixed(1)} ms`,
  });
  return [figure('15 palyra --version', version, 1.1), figure('15 palyra node status', status, 2)];
}

const memory = (target: string, bytes: number, limit: number): Figure => ({
  target,
  value: bytes / MIB,
  limit,
  unit: 'MiB',
  timed: false,
  note: '',
});

/** Of a daemon and a node host that have just met and do nothing. */
export const idleMemoryFigures = ({ binary, readRoot }: BenchPlace): Promise<Figure[]> =>
  withEnds(async (t) => {
    const { daemon, node } = await PairedFleet.start(t, { program: [binary], name: 'bench-1', readRoot });
    await systemClock.sleep(SETTLE_MS);
    return [
      memory('RSS of an idle daemon', rssBytes(daemon?.cli.process.pid), 120),
      memory('RSS of an idle node host', rssBytes(node?.process.pid), 100),
    ];
  });
