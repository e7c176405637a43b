// What the bench measures: a daemon on a disk of known speed, one real node host, and the yardsticks beside them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OperatorClient } from '../../src/cli/operator-client.ts';
import { PairedFleet } from '../support/paired-fleet.ts';
import { Child } from './child.ts';
import { deviceFiles, RawDaemon } from './raw-daemon.ts';
import type { RawDial, RawOrders } from './raw-node.ts';
import { SlowSync } from './slow-sync.ts';
import type { SubjectOrders } from './subject.ts';

export interface Ends {
  after(end: () => Promise<void>): void;
}

export interface BenchFleetOptions {
  readonly binary: string;
  /** Where the compiled shim goes. */
  readonly folder: string;
  readonly realDisk: boolean;
  /** What the node may read: on a real file system, as nothing of /dev may be. */
  readonly readRoot: string;
}

export class BenchFleet {
  readonly fleet: PairedFleet;
  readonly subject: Child<SubjectOrders>;
  /** Echoes frame by frame, and turn by turn. */
  readonly single: RawPair;
  readonly batched: RawPair;
  readonly helper: Child<RawOrders>;
  readonly httpSocket: string;
  /** Undefined: the real disk. */
  readonly disk: SlowSync | undefined;

  private constructor(parts: {
    fleet: PairedFleet;
    subject: Child<SubjectOrders>;
    single: RawPair;
    batched: RawPair;
    helper: Child<RawOrders>;
    httpSocket: string;
    disk: SlowSync | undefined;
  }) {
    this.fleet = parts.fleet;
    this.subject = parts.subject;
    this.single = parts.single;
    this.batched = parts.batched;
    this.helper = parts.helper;
    this.httpSocket = parts.httpSocket;
    this.disk = parts.disk;
  }

  static async start(t: Ends, { binary, folder, realDisk, readRoot }: BenchFleetOptions): Promise<BenchFleet> {
    const fleet = await PairedFleet.start(t, { program: [binary], name: 'bench-1', readRoot });
    const disk = realDisk ? undefined : SlowSync.make(folder);
    await fleet.daemon?.stop();
    const subject = new Child<SubjectOrders>(join(import.meta.dirname, 'subject.ts'), {
      argv: [fleet.daemonHome, fleet.nodeAddress],
      env: disk?.env ?? {},
      execArgv: ['--expose-gc'],
    });
    t.after(() => subject.stop());
    await subject.ask('connected', { nodes: 1 });
    const helper = rawNode(t);
    const httpSocket = join(folder, 'http');
    await helper.ask('http', { socket: httpSocket });
    const [single, batched] = [await RawPair.start(t, fleet, false), await RawPair.start(t, fleet, true)];
    return new BenchFleet({ fleet, subject, single, batched, helper, httpSocket, disk });
  }

  get deviceId(): string {
    return this.fleet.deviceId;
  }

  get dial(): RawDial {
    return { ...deviceFiles(this.fleet), address: this.single.daemon.address };
  }

  client(): OperatorClient {
    return this.fleet.client();
  }

  /** Resident memory of the node host now. */
  get nodeRssBytes(): number {
    return rssBytes(this.fleet.node?.process.pid);
  }
}

const rawNode = (t: Ends): Child<RawOrders> => {
  const child = new Child<RawOrders>(join(import.meta.dirname, 'raw-node.ts'));
  t.after(() => child.stop());
  return child;
};

/** A bare echo between two processes. */
class RawPair {
  readonly daemon: RawDaemon;

  private constructor(daemon: RawDaemon) {
    this.daemon = daemon;
  }

  static async start(t: Ends, fleet: PairedFleet, batched: boolean): Promise<RawPair> {
    const daemon = await RawDaemon.start(fleet);
    t.after(() => Promise.resolve(daemon.stop()));
    const node = rawNode(t);
    const echoes = daemon.nextEcho(batched);
    await node.ask('echo', { ...deviceFiles(fleet), address: daemon.address, batched });
    await echoes;
    return new RawPair(daemon);
  }
}

export function rssBytes(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
}
