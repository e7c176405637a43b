// What the bench measures: a daemon on a disk of known speed, one real node host, and the yardsticks beside them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PairedFleet } from '../support/paired-fleet.ts';
import { Child } from './child.ts';
import { deviceFiles, RawDaemon } from './raw-daemon.ts';
import type { RawDial, RawOrders } from './raw-node.ts';
import { SlowSync } from './slow-sync.ts';
import type { SubjectOrders } from './subject.ts';
import type { Ends } from './with-ends.ts';

export interface BenchPlace {
  readonly binary: string;
  /** For sockets and the compiled shim. */
  readonly folder: string;
  readonly realDisk: boolean;
  /** What the node may read: on a real file system, as nothing of /dev may be. */
  readonly readRoot: string;
}

/** A fleet of one node whose daemon runs in a process that measures. */
export interface MeasuredFleet {
  readonly fleet: PairedFleet;
  readonly subject: Child<SubjectOrders>;
  readonly deviceId: string;
  /** Undefined: the real disk. */
  readonly disk: SlowSync | undefined;
}

export async function measuredFleet(
  t: Ends,
  { binary, folder, realDisk, readRoot }: BenchPlace,
): Promise<MeasuredFleet> {
  const fleet = await PairedFleet.start(t, { program: [binary], name: 'bench-1', readRoot });
  const disk = realDisk ? undefined : SlowSync.make(folder);
  t.after(() => Promise.resolve(disk?.close()));
  await fleet.daemon?.stop();
  const subject = startSubject(t, fleet.daemonHome, fleet.nodeAddress, disk);
  await subject.ask('connected', { nodes: 1 });
  return { fleet, subject, deviceId: fleet.deviceId, disk };
}

export function startSubject(t: Ends, home: string, nodeListen: string, disk?: SlowSync): Child<SubjectOrders> {
  const subject = new Child<SubjectOrders>(join(import.meta.dirname, 'subject.ts'), {
    argv: [home, nodeListen],
    env: disk?.env ?? {},
    execArgv: ['--expose-gc'],
  });
  t.after(() => subject.stop());
  return subject;
}

export interface BenchFleet extends MeasuredFleet {
  /** Echo frame by frame, and turn by turn. */
  readonly single: RawDaemon;
  readonly batched: RawDaemon;
  readonly helper: Child<RawOrders>;
  readonly httpSocket: string;
  /** How the helper reaches a bare daemon. */
  readonly dial: RawDial;
}

export async function benchFleet(t: Ends, place: BenchPlace): Promise<BenchFleet> {
  const measured = await measuredFleet(t, place);
  const helper = rawNode(t);
  const httpSocket = join(place.folder, 'http');
  await helper.ask('http', { socket: httpSocket });
  const single = await echoPair(t, measured.fleet, false);
  const batched = await echoPair(t, measured.fleet, true);
  const dial = { ...deviceFiles(measured.fleet), address: single.address };
  return { ...measured, single, batched, helper, httpSocket, dial };
}

function rawNode(t: Ends): Child<RawOrders> {
  const child = new Child<RawOrders>(join(import.meta.dirname, 'raw-node.ts'));
  t.after(() => child.stop());
  return child;
}

/** A bare echo between this process and one of its own. */
async function echoPair(t: Ends, fleet: PairedFleet, batched: boolean): Promise<RawDaemon> {
  const daemon = await RawDaemon.start(fleet);
  t.after(() => Promise.resolve(daemon.stop()));
  const echoes = daemon.nextEcho(batched);
  await rawNode(t).ask('echo', { ...deviceFiles(fleet), address: daemon.address, batched });
  await echoes;
  return daemon;
}

export function rssBytes(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
}

export const nodeRssBytes = ({ fleet }: MeasuredFleet): number => rssBytes(fleet.node?.process.pid);
