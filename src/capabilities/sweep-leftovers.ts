import type { Clock } from '../kernel/clock.ts';
import type { ProcessHost, RecordedProcess } from './processes/process-host.ts';
import type { RequestCgroups } from './processes/request-cgroups.ts';

interface Leftovers {
  readonly deviceId: string;
  /** What `CapabilityContext.started` was told in earlier runs, for requests that did not end. */
  readonly recorded: readonly RecordedProcess[];
  readonly cgroups: RequestCgroups | undefined;
  readonly processes: Pick<ProcessHost, 'sweep'>;
  readonly clock: Clock;
}

export interface Swept {
  /** Pids that were found and are gone. */
  readonly ended: readonly number[];
  readonly survivors: readonly number[];
}

const GONE_MS = 5000;
const LOOK_MS = 10;

/**
 * Ends what an earlier process of this device left running, before new work starts: everything in its groups, with
 * its mark, or recorded by it. Processes of other users and of other devices are left alone.
 */
export async function sweepLeftovers({ deviceId, recorded, cgroups, processes, clock }: Leftovers): Promise<Swept> {
  const grouped = cgroups?.existing() ?? [];
  const inGroups = grouped.flatMap((group) => group.members());
  const { ended, survivors } = await processes.sweep(deviceId, recorded, clock);
  for (const group of grouped) {
    // Who shed its mark is still in its group.
    const patience = clock.monotonic() + GONE_MS;
    while (!group.remove() && clock.monotonic() < patience) {
      group.kill();
      await clock.sleep(LOOK_MS);
    }
  }
  const all = new Set([...ended, ...inGroups].filter((pid) => !survivors.includes(pid)));
  return { ended: [...all], survivors };
}
