// Target 7: what a connected node weighs in the daemon, against a bare grpc-js server with as many streams.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { enrolMany } from '../support/enrol-many.ts';
import { PairedFleet } from '../support/paired-fleet.ts';
import { type BenchPlace, startSubject } from './bench-fleet.ts';
import { Child } from './child.ts';
import type { Figure } from './figures.ts';
import type { LeanOrders } from './lean-nodes.ts';
import { deviceFiles } from './raw-daemon.ts';
import type { RawServerOrders } from './raw-server.ts';
import { withEnds } from './with-ends.ts';

const PROCESSES = 4;
const UNCOUNTED = 0.2;
const KIB = 1024;

/** One round; each starts servers of its own, since memory that was used once is not given back. */
export const streamFigures = (place: BenchPlace, nodes: number): Promise<Figure[]> =>
  withEnds(async (t) => {
    const fleet = await PairedFleet.start(t, { program: [place.binary], name: 'bench-1', readRoot: place.readRoot });
    await fleet.stopNode();
    await fleet.daemon?.stop();
    const file = join(place.folder, 'many.json');
    writeFileSync(file, JSON.stringify(await enrolMany(fleet.daemonHome, nodes)), { mode: 0o600 });
    const { ca } = deviceFiles(fleet);

    const subject = startSubject(t, fleet.daemonHome, fleet.nodeAddress);
    const bare = new Child<RawServerOrders>(join(import.meta.dirname, 'raw-server.ts'), {
      argv: [fleet.daemonHome, fleet.nodeHome],
      execArgv: ['--expose-gc'],
    });
    t.after(() => bare.stop());
    const lean = Array.from(
      { length: PROCESSES },
      () => new Child<LeanOrders>(join(import.meta.dirname, 'lean-nodes.ts')),
    );
    for (const child of lean) t.after(() => child.stop());

    const grown = async (
      server: { ask(name: 'memory', order: undefined): Promise<{ rssBytes: number }> },
      address: string,
      isBare: boolean,
    ): Promise<number> => {
      const each = nodes / PROCESSES;
      const connect = (from: number, to: number): Promise<unknown> =>
        Promise.all(
          lean.map((child, at) =>
            child.ask('connect', { address, ca, file, bare: isBare, from: at * each + from, to: at * each + to }),
          ),
        );
      // What a server makes once is no node's: the first ones pay for it and do not count.
      const first = Math.round(each * UNCOUNTED);
      await connect(0, first);
      const before = (await server.ask('memory', undefined)).rssBytes;
      await connect(first, each);
      const after = (await server.ask('memory', undefined)).rssBytes;
      for (const child of lean) await child.ask('disconnect', undefined);
      return (after - before) / (nodes - PROCESSES * first);
    };
    await subject.ask('connected', { nodes: 0 });
    const ours = await grown(subject, fleet.nodeAddress, false);
    const theirs = await grown(bare, (await bare.ask('address', undefined)) as string, true);
    return [
      {
        target: `7 memory of a connected node, ${nodes.toLocaleString('en')} of them`,
        value: ours / theirs,
        limit: 1.15,
        unit: 'x bare grpc-js',
        timed: false,
        note: `${(ours / KIB).toFixed(1)} KiB; bare ${(theirs / KIB).toFixed(1)} KiB`,
      },
    ];
  });
