// Targets 1 to 4 and 11: a request's way, against the echo, the disk and the spawn that it cannot do without.
import { Agent, request } from 'node:http';
import type { OperatorClient } from '../../src/cli/operator-client.ts';
import { RequestWatch } from '../../src/cli/request-watch.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { whileAwake } from './awake.ts';
import { type BenchFleet, type MeasuredFleet, nodeRssBytes } from './bench-fleet.ts';
import type { Figure } from './figures.ts';
import { median, type Timing, timed } from './measure.ts';
import type { Work } from './subject.ts';

const CELL_MS = 400;
const WARM_MS = 1_500;
const TURNS = 3;
const WIDE = 64;
const FAST_DISK_US = 500;
/** Added to a sync of a RAM file system, which takes next to nothing. */
const DISKS_US = [100, 1_000];

const INPUT = { text: 'a'.repeat(120) };

export const echoWork = ({ deviceId }: MeasuredFleet): Work => ({ deviceId, capability: 'echo', input: INPUT });
const trueWork = ({ deviceId }: MeasuredFleet): Work => ({
  deviceId,
  capability: 'shell.execute',
  input: { argv: ['/bin/true'] },
});

/** An empty call to a bare HTTP server on a socket. */
async function emptyCall({ httpSocket }: BenchFleet): Promise<Timing> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const call = (): Promise<void> =>
    new Promise((resolve, reject) => {
      request({ socketPath: httpSocket, path: '/', agent }, (answer) => answer.resume().once('end', resolve))
        .once('error', reject)
        .end();
    });
  try {
    return await timed(1, CELL_MS, call);
  } finally {
    agent.destroy();
  }
}

/** The call of `palyra nodes invoke`, followed to its end over a connection that stays. */
async function operatorCall({ fleet }: BenchFleet, client: OperatorClient): Promise<Timing> {
  let number = 0;
  return timed(1, CELL_MS, async () => {
    number += 1;
    const watch = new RequestWatch({
      client,
      clock: systemClock,
      target: {
        create: { node: fleet.name, capability: 'echo', input: INPUT },
        idempotencyKey: `bench-${process.pid}-${performance.now()}-${number}`,
      },
      reader: { output: () => Promise.resolve() },
    });
    const { state } = await watch.run(new AbortController().signal);
    if (state !== 'succeeded') throw new Error(`echo ended ${state}`);
  });
}

/** Each kind in turn, several times, so that a noisy moment hits all of them. */
async function inTurns<Name extends string>(
  cells: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Record<Name, number>> {
  const found = Object.fromEntries(Object.keys(cells).map((name) => [name, []])) as unknown as Record<Name, number[]>;
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const name of Object.keys(cells) as Name[]) found[name].push(await cells[name]());
  }
  return Object.fromEntries(Object.entries<number[]>(found).map(([name, values]) => [name, median(values)])) as Record<
    Name,
    number
  >;
}

const us = (value: number): string => `${Math.round(value)} us`;

async function alone(bench: BenchFleet, client: OperatorClient, disk: string): Promise<Figure[]> {
  const { single, subject } = bench;
  const cell = await whileAwake(() =>
    inTurns({
      echo: async () => (await timed(1, CELL_MS, () => single.echo())).p50Us,
      sync: async () => (await subject.ask('sync', { ms: CELL_MS / 4 })).p50Us,
      http: async () => (await emptyCall(bench)).p50Us,
      daemon: async () => (await subject.ask('dispatch', { work: echoWork(bench), width: 1, ms: CELL_MS })).p50Us,
      operator: async () => (await operatorCall(bench, client)).p50Us,
    }),
  );
  const fast = cell.sync < FAST_DISK_US;
  const floor = cell.echo + 2 * cell.sync;
  const yardsticks = `E ${us(cell.echo)}, U ${us(cell.sync)}`;
  return [
    {
      target: `1 durable round trip in the daemon, ${disk}`,
      value: cell.daemon / floor,
      limit: fast ? 2 : 1.2,
      unit: 'x (E + 2U)',
      timed: true,
      note: `${us(cell.daemon)}; ${yardsticks}`,
    },
    {
      target: `2 the same from an operator, ${disk}`,
      value: cell.operator / (floor + cell.http),
      limit: fast ? 2.2 : 1.5,
      unit: 'x (E + P + 2U)',
      timed: true,
      note: `${us(cell.operator)}; ${yardsticks}, P ${us(cell.http)}`,
    },
  ];
}

async function wide(bench: BenchFleet, disk: string): Promise<Figure[]> {
  const { single, batched, subject } = bench;
  let syncs = 0;
  let requests = 0;
  const cell = await inTurns({
    raw: async () => (await timed(WIDE, CELL_MS, () => single.echo())).perSecond,
    batched: async () => (await timed(WIDE, CELL_MS, () => batched.echo())).p50Us,
    sync: async () => (await subject.ask('sync', { ms: CELL_MS / 4 })).p50Us,
    daemon: async () => {
      const before = bench.disk?.calls ?? 0;
      const { perSecond } = await subject.ask('dispatch', { work: echoWork(bench), width: WIDE, ms: CELL_MS });
      syncs += (bench.disk?.calls ?? 0) - before;
      requests += (perSecond * CELL_MS) / 1000;
      return perSecond;
    },
  });
  const fast = cell.sync < FAST_DISK_US;
  const floor = (WIDE * 1e6) / (cell.batched + 2 * cell.sync);
  const rate = `${Math.round(cell.daemon)}/s; B ${us(cell.batched)}, U ${us(cell.sync)}`;
  const figures: Figure[] = [
    {
      target: `4 durable rate, ${WIDE} in flight, ${disk}`,
      value: cell.daemon / floor,
      limit: fast ? 0.25 : 0.6,
      atLeast: true,
      unit: 'of 64/(B + 2U)',
      timed: true,
      note: rate,
    },
  ];
  if (fast) {
    figures.push({
      target: `4 the same against the bare echo, ${disk}`,
      value: cell.daemon / cell.raw,
      limit: 0.8,
      atLeast: true,
      unit: 'x raw unbatched',
      timed: true,
      note: `${Math.round(cell.daemon)}/s; raw ${Math.round(cell.raw)}/s`,
    });
  }
  if (bench.disk !== undefined && !fast) {
    figures.push({
      target: `3 syncs for each request, ${WIDE} in flight, ${disk}`,
      value: syncs / requests,
      limit: 0.1,
      unit: 'calls',
      timed: false,
      note: `${syncs} calls, ${Math.round(requests)} requests`,
    });
  }
  return figures;
}

async function programs(bench: BenchFleet): Promise<Figure[]> {
  const { helper, subject } = bench;
  const cell = await inTurns({
    spawn: async () => (await helper.ask('spawn', { ms: CELL_MS })).p50Us,
    echo: async () => (await subject.ask('dispatch', { work: echoWork(bench), width: 1, ms: CELL_MS })).p50Us,
    run: async () => (await subject.ask('dispatch', { work: trueWork(bench), width: 1, ms: CELL_MS })).p50Us,
  });
  return [
    {
      target: '11 shell.execute true',
      value: cell.run / (1.5 * cell.spawn + cell.echo),
      limit: 1,
      unit: 'x (1.5 S + #1)',
      timed: true,
      note: `${us(cell.run)}; S ${us(cell.spawn)}, #1 ${us(cell.echo)}`,
    },
    {
      target: '11 RSS of the node host after its programs',
      value: nodeRssBytes(bench) / 2 ** 20,
      limit: 120,
      unit: 'MiB',
      timed: false,
      note: '',
    },
  ];
}

/** One round of everything about requests, on each disk. */
export async function dispatchFigures(bench: BenchFleet): Promise<Figure[]> {
  const figures: Figure[] = [];
  const client = bench.fleet.client();
  const disks = bench.disk === undefined ? [undefined] : DISKS_US;
  for (const waitUs of disks) {
    if (bench.disk !== undefined && waitUs !== undefined) bench.disk.waitUs = waitUs;
    const disk = waitUs === undefined ? 'real disk' : `U ${waitUs / 1000} ms`;
    figures.push(...(await alone(bench, client, disk)), ...(await wide(bench, disk)));
  }
  if (bench.disk !== undefined) bench.disk.waitUs = DISKS_US[0] ?? 0;
  figures.push(...(await programs(bench)));
  return figures;
}

/** What is compiled at its first use is compiled then. */
export async function warmUpDispatch(bench: MeasuredFleet): Promise<void> {
  for (const work of [echoWork(bench), trueWork(bench)]) {
    await bench.subject.ask('dispatch', { work, width: 1, ms: WARM_MS });
    await bench.subject.ask('dispatch', { work, width: WIDE, ms: WARM_MS });
  }
}
