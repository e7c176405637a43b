// npm run bench: what matters as a ratio to a yardstick of the same round. Ends with 1 when a target is missed in two
// rounds of three.
//   --real-disk    the disk of this machine instead of a RAM file system with a known wait
//   --only NAME    one group of those below, several times for several; --full: 10,000 nodes, 1 GiB
//   --json         the rows as a document
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PairedFleet } from '../support/paired-fleet.ts';
import { type BenchPlace, benchFleet, measuredFleet } from './bench-fleet.ts';
import { dispatchFigures, warmUpDispatch } from './dispatch.ts';
import { type Figure, rowsOf, tableOf } from './figures.ts';
import { fillHistory, historyFigures } from './history.ts';
import { readFigures } from './reads.ts';
import { idleMemoryFigures, startUpFigures } from './start-up.ts';
import { streamFigures } from './streams.ts';
import { type Ends, withEnds } from './with-ends.ts';

const BINARY = join(import.meta.dirname, '../../dist/palyra');
const RAM = '/dev/shm';
const ROUNDS = 3;

const MIB = 1024 * 1024;
const HISTORY_ROWS = 100_000;
const NODES = 1_000;

/** Makes what its rounds need, which ends with the group; gives what one round is. */
type Group = (place: BenchPlace, t: Ends, full: boolean) => Promise<() => Promise<readonly Figure[]>>;

const GROUPS: Readonly<Record<string, Group>> = {
  async dispatch(place, t) {
    const bench = await benchFleet(t, place);
    await warmUpDispatch(bench);
    return () => dispatchFigures(bench);
  },
  async reads(place, t, full) {
    const bench = await benchFleet(t, place);
    return () => readFigures(bench, { bytes: (full ? 1024 : 256) * MIB });
  },
  async history(place, t) {
    const [empty, filled] = [await measuredFleet(t, place), await measuredFleet(t, place)];
    for (const bench of [empty, filled]) await warmUpDispatch(bench);
    fillHistory(filled, HISTORY_ROWS);
    return () => historyFigures(empty, filled, HISTORY_ROWS);
  },
  streams: (place, _t, full) => Promise.resolve(() => streamFigures(place, full ? 10 * NODES : NODES)),
  'start-up': async (place, t) => {
    const { nodeHome } = await PairedFleet.start(t, { program: [place.binary], readRoot: place.readRoot });
    return () => Promise.resolve(startUpFigures(place.binary, nodeHome));
  },
  memory: (place) => Promise.resolve(() => idleMemoryFigures(place)),
};

const { values: options } = parseArgs({
  options: {
    'real-disk': { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: Object.keys(GROUPS) },
    full: { type: 'boolean', default: false },
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
const load = loadavg()[0] ?? 0;
const figures: Figure[] = [];
say(`Node ${process.version}, ${availableParallelism()} cores, load ${load.toFixed(2)}\n`);
const place = { binary: BINARY, folder, realDisk: options['real-disk'], readRoot };
try {
  for (const name of options.only) {
    const group = GROUPS[name];
    if (group === undefined) throw new Error(`no group ${name}: ${Object.keys(GROUPS).join(', ')}`);
    await withEnds(async (t) => {
      const round = await group(place, t, options.full);
      for (let number = 1; number <= ROUNDS; number += 1) {
        say(`${name}, round ${number} of ${ROUNDS}\n`);
        figures.push(...(await round()));
      }
    });
  }
} finally {
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
