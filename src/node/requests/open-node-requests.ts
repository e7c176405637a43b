import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { NodeFacts } from '../../capabilities/capability.ts';
import { sweepWrites } from '../../capabilities/files/write-journal.ts';
import type { CapabilityPlatform } from '../../capabilities/platform.ts';
import { openRequestCgroups } from '../../capabilities/processes/request-cgroups.ts';
import { sweepLeftovers } from '../../capabilities/sweep-leftovers.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Logger } from '../../kernel/log.ts';
import { readPrivateKey } from '../../x509/key-pair.ts';
import { osBootId } from '../ledger/boot-id.ts';
import { Ledger } from '../ledger/ledger.ts';
import type { NodePolicy } from '../policy/node-policy.ts';
import { LiveRequests } from './live-requests.ts';
import type { NodeRequests } from './ports.ts';

/** Folder in the node's home; see `sweepWrites`. */
export const WRITE_JOURNAL = 'writes';

export interface NodeRequestsOptions {
  /** `<home>/node`. */
  readonly nodeHome: string;
  readonly deviceId: string;
  readonly deviceKeyPem: string;
  readonly facts: NodeFacts;
  readonly policy: () => NodePolicy;
  readonly ledgerHealth: (fault: string | undefined) => void;
  readonly platform: CapabilityPlatform;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Opens the ledger, ends what an earlier process of this device left running, and takes requests from then on.
 * Errors: no_permission, disk_full, credential_damaged.
 */
export async function openNodeRequests(options: NodeRequestsOptions): Promise<NodeRequests> {
  const { nodeHome, deviceId, platform, clock, log } = options;
  const key: KeyObject = readPrivateKey(options.deviceKeyPem, join(nodeHome, 'identity', 'device-key.pem'));
  const ledger = new Ledger({ folder: join(nodeHome, 'ledger'), bootId: osBootId(clock), clock, log });
  const cgroups = openRequestCgroups(deviceId);
  const recorded = [...ledger.items.values()].flatMap(({ processes }) => processes);
  const { ended, survivors } = await sweepLeftovers({
    deviceId,
    recorded,
    cgroups,
    processes: platform.processes,
    clock,
  });
  if (ended.length > 0) log.warn({ pids: ended }, 'ended what an earlier run left behind');
  const writes = await sweepWrites(join(nodeHome, WRITE_JOURNAL));
  if (writes.removed.length > 0)
    log.warn({ paths: writes.removed }, 'removed files that an earlier run left unfinished');
  if (writes.left.length > 0)
    log.error({ paths: writes.left }, 'unfinished files of an earlier run could not be removed');
  if (survivors.length > 0) log.error({ pids: survivors }, 'processes of an earlier run could not be ended');
  return new LiveRequests({ ...options, key, ledger, cgroups });
}
