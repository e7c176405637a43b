import type { AuditEntry } from '../audit/audit-log.ts';
import type { Clock } from '../kernel/clock.ts';
import type { DeviceId } from '../kernel/ids.ts';
import type { Logger } from '../kernel/log.ts';
import type { Store, Tx } from '../store/store.ts';
import type { DispatchTarget } from './target.ts';

export interface DispatcherPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
  readonly audit: (tx: Tx, entry: AuditEntry) => Promise<void>;
  /** The inventory's view of a device; undefined when there is none. */
  readonly target: (deviceId: DeviceId) => Promise<DispatchTarget | undefined>;
  /** How long an attached request waits for a watcher before it goes on without, ms. */
  readonly watcherGraceMs?: number;
}

/** What nobody waits for: a failure is told, and what it left undone is found again at the next hello. */
export const inBackground = (ports: Pick<DispatcherPorts, 'log'>, work: Promise<unknown>): void => {
  work.catch((cause: unknown) => ports.log.error({ err: cause }, 'dispatch could not write'));
};
