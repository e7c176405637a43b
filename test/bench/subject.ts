// The daemon that is measured, in a process that also measures it: what it takes without an operator's connection.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon } from '../../src/daemon/daemon.ts';
import { DAEMON_DEFAULTS } from '../../src/daemon/daemon-settings.ts';
import type { DispatchOrder, Watcher } from '../../src/dispatch/types.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import type { DeviceId } from '../../src/kernel/ids.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import type { CapabilityRequestRow } from '../../src/store/schema.ts';
import { answerOrders } from './child.ts';
import { quantile, type Timing, timed, timedSync } from './measure.ts';

export interface Work {
  readonly deviceId: string;
  readonly capability: string;
  readonly input: unknown;
}

const [home = '', nodeListen = ''] = process.argv.slice(2);
const daemon = await startDaemon({
  home,
  settings: { ...DAEMON_DEFAULTS, node_listen: nodeListen, operator_listen: 'none' },
  clock: systemClock,
  log: makeLogger({ level: 'warn', component: 'bench' }),
  onDiskFailure: (cause) => {
    throw cause;
  },
});

const NONE = { stdoutBytes: 0, stderrBytes: 0 };

const orderOf = ({ deviceId, capability, input }: Work, attached: boolean): DispatchOrder => ({
  deviceId: deviceId as DeviceId,
  capability,
  inputJson: JSON.stringify(input),
  stdinMode: 'none',
  attached,
  runTimeoutMs: 60_000,
  actor: { id: 'system:bench', name: 'bench', source: 'local' },
});

/** From the order to its record on disk, told to whoever waits. */
async function roundTrip(work: Work): Promise<void> {
  const ended = Promise.withResolvers<CapabilityRequestRow>();
  const { requestId } = await daemon.dispatch.submit(orderOf(work, false));
  await daemon.dispatch.watch(requestId, NONE, {
    holds: false,
    deliver(event) {
      if (event.type === 'end') ended.resolve(event.request);
    },
  });
  const { state, error_message: message } = await ended.promise;
  if (state !== 'succeeded') throw new Error(`${work.capability} ended ${state}: ${message}`);
}

/** Bytes a second of everything that a request writes to its output, taken as fast as it comes. */
async function transfer(work: Work): Promise<number> {
  const from = performance.now();
  const { requestId } = await daemon.dispatch.submit(orderOf(work, true));
  const ended = Promise.withResolvers<CapabilityRequestRow>();
  let bytes = 0;
  const waiting: (() => void)[] = [];
  const watcher: Watcher = {
    deliver(event) {
      if (event.type === 'end') ended.resolve(event.request);
      if (event.type !== 'output') return;
      bytes = event.offset + event.data.length;
      const took = (): void => attachment?.acknowledge({ stdoutBytes: bytes, stderrBytes: 0 });
      if (attachment === undefined) waiting.push(took);
      else took();
    },
  };
  let attachment: Awaited<ReturnType<typeof daemon.dispatch.watch>> | undefined;
  attachment = await daemon.dispatch.watch(requestId, NONE, watcher);
  for (const took of waiting) took();
  const { state, error_message: message } = await ended.promise;
  if (state !== 'succeeded') throw new Error(`${work.capability} ended ${state}: ${message}`);
  return bytes / ((performance.now() - from) / 1000);
}

const orders = {
  /** Resolves when so many nodes are connected. */
  async connected({ nodes }: { nodes: number }): Promise<void> {
    for (let looks = 0; daemon.nodes < nodes; looks += 1) {
      if (looks > 3_000) throw new Error(`${daemon.nodes} of ${nodes} nodes came`);
      await systemClock.sleep(20);
    }
  },
  dispatch: ({ work, width, ms }: { work: Work; width: number; ms: number }): Promise<Timing> =>
    timed(width, ms, () => roundTrip(work)),
  sync: ({ ms }: { ms: number }) => {
    const folder = join(home, 'bench');
    mkdirSync(folder, { recursive: true });
    return timedSync(join(folder, 'sync'), ms);
  },
  /** Bytes a second, and how long a small request took beside it. */
  async transfer({ work, beside }: { work: Work; beside: Work }): Promise<{ perSecond: number; besideP99Ms: number }> {
    const tookMs: number[] = [];
    let over = false;
    const small = (async () => {
      while (!over) {
        const from = performance.now();
        await roundTrip(beside);
        tookMs.push(performance.now() - from);
        await systemClock.sleep(20);
      }
    })();
    const perSecond = await transfer(work).finally(() => {
      over = true;
    });
    await small;
    return { perSecond, besideP99Ms: quantile(tookMs, 0.99) };
  },
  /** Microseconds of the first page of the list of requests. */
  async firstPage({ ms }: { ms: number }): Promise<Timing> {
    return timed(1, ms, () => daemon.dispatch.list({}, null, 50));
  },
  memory: (): { rssBytes: number } => {
    globalThis.gc?.();
    globalThis.gc?.();
    return { rssBytes: process.memoryUsage.rss() };
  },
  ready: () => ({ nodeAddress: daemon.instance.node_address, socket: daemon.instance.operator_socket }),
};
export type SubjectOrders = typeof orders;
answerOrders(orders);
