// npm run bench: what matters as a ratio to a yardstick of the same round. Ends with 1 when a target is missed in two
// rounds of three.
//   --real-disk    the disk of this machine instead of a RAM file system with a known wait
//   --only NAME    one group of those below; --json: the rows as a document
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BenchFleet } from './bench-fleet.ts';
import { dispatchFigures } from './dispatch.ts';
import { type Figure, rowsOf, tableOf } from './figures.ts';

const BINARY = join(import.meta.dirname, '../../dist/palyra');
const RAM = '/dev/shm';
const ROUNDS = 3;

interface Group {
  /** One round. */
  readonly figures: (bench: BenchFleet) => Promise<readonly Figure[]>;
}

const GROUPS: Readonly<Record<string, Group>> = {
  dispatch: { figures: dispatchFigures },
};

const { values: options } = parseArgs({
  options: {
    'real-disk': { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: Object.keys(GROUPS) },
    json: { type: 'boolean', default: false },
  },
});

if (!existsSync(BINARY)) {
  process.stderr.write('dist/palyra is not there: npm run build\n');
  process.exit(2);
}
const readRoot = mkdtempSync(join(tmpdir(), 'palyra-bench-files-'));
if (!options['real-disk'] && existsSync(RAM)) process.env['TMPDIR'] = RAM;

const say = (text: string): void => void process.stderr.write(text);
const folder = mkdtempSync(join(tmpdir(), 'palyra-bench-'));
const ends: (() => Promise<void>)[] = [];
const load = loadavg()[0] ?? 0;
const figures: Figure[] = [];
say(`Node ${process.version}, ${availableParallelism()} cores, load ${load.toFixed(2)}\n`);
try {
  const bench = await BenchFleet.start(
    { after: (end) => ends.push(end) },
    { binary: BINARY, folder, realDisk: options['real-disk'], readRoot },
  );
  for (const name of options.only) {
    const group = GROUPS[name];
    if (group === undefined) throw new Error(`no group ${name}: ${Object.keys(GROUPS).join(', ')}`);
    // The first round warms up.
    for (let round = 0; round <= ROUNDS; round += 1) {
      say(`${name}, ${round === 0 ? 'warming up' : `round ${round} of ${ROUNDS}`}\n`);
      const found = await group.figures(bench);
      if (round > 0) figures.push(...found);
    }
  }
} finally {
  for (const end of ends.reverse()) await end();
  for (const made of [folder, readRoot]) rmSync(made, { recursive: true, force: true });
}
// Our own load is about two cores' worth.
const disturbed = load > availableParallelism() + 1;
const rows = rowsOf(figures, disturbed);
process.stdout.write(options.json ? `${JSON.stringify({ disturbed, rows })}\n` : tableOf(rows));
if (disturbed) say(`disturbed: the load was ${load.toFixed(2)} at the start; times do not count\n`);
const failed = rows.filter((row) => row.failed).map(({ target }) => target);
say(failed.length === 0 ? 'all targets met\n' : `missed: ${failed.join('; ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
