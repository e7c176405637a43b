import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId } from '../kernel/ids.ts';
import type { Trust } from '../store/schema.ts';

/** What decides whether a capability may be sent to a device; the inventory answers with it. */
export interface DispatchTarget {
  readonly deviceId: DeviceId;
  readonly name: string;
  readonly trust: Trust;
  /** The ceiling an approver fixed. */
  readonly granted: ReadonlySet<string>;
  /** What an operator took back. */
  readonly withdrawn: ReadonlySet<string>;
  /** What the node offers now, or offered last. */
  readonly offers: ReadonlyMap<string, { readonly available: boolean; readonly reason: string | null }>;
  /** Why the last stream ended; null while there is one. */
  readonly lastDisconnectReason: string | null;
}

/** Refuses what must not even be queued. Errors: see `CapabilityDispatch.submit`. */
export function assertDispatchable(target: DispatchTarget, capability: string): void {
  const { name, trust } = target;
  if (trust === 'revoked' || trust === 'suspended' || trust === 'removed') {
    throw new PalyraError(`device_${trust}`, `${name} is ${trust}`, { hint: `palyra nodes describe ${name}` });
  }
  if (trust === 'enrolling') {
    throw new PalyraError('device_not_registered', `${name} has not finished pairing`, {
      hint: 'run `palyra node run` on that machine',
    });
  }
  const offer = target.offers.get(capability);
  if (offer === undefined && !target.granted.has(capability)) {
    const known = [...target.offers.keys()].sort().join(', ');
    throw new PalyraError('capability_unknown', `${name} has no capability ${JSON.stringify(capability)}`, {
      hint: known === '' ? `palyra nodes describe ${name}` : `it offers ${known}`,
    });
  }
  if (!target.granted.has(capability)) {
    throw new PalyraError('capability_unapproved', `${capability} on ${name} was never granted by an approver`, {
      hint: `pair it again and grant ${capability}, or ask an approver to widen what ${name} may do`,
    });
  }
  if (target.withdrawn.has(capability)) {
    throw new PalyraError('capability_unavailable', `an operator withdrew ${capability} from ${name}`, {
      hint: `palyra nodes describe ${name}`,
    });
  }
  if (offer !== undefined && !offer.available) {
    throw new PalyraError(
      'capability_unavailable',
      `${name} does not offer ${capability} now${offer.reason === null ? '' : `: ${offer.reason}`}`,
      { hint: `on ${name}: edit node-policy.json, see \`palyra node status\`` },
    );
  }
}
