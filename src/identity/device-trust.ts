import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId } from '../kernel/ids.ts';
import { revokeCertificates } from '../store/certificates.ts';
import { deviceById } from '../store/device-directory.ts';
import { moveTrust, releaseKey } from '../store/devices.ts';
import type { Trust } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';
import type { IdentityPorts, TrustActor } from './types.ts';

/** What an operator can decide about a device. */
export type TrustVerb = 'suspend' | 'reinstate' | 'revoke' | 'remove';

interface Move {
  readonly from: readonly Trust[];
  readonly to: Trust;
  /** `<verb>d` as the audit names it. */
  readonly done: string;
}

/** The whole table; `enrolling -> trusted` is the device's own doing (complete-enrolment.ts). */
const TRUST_MOVES: Readonly<Record<TrustVerb, Move>> = {
  suspend: { from: ['trusted'], to: 'suspended', done: 'device.suspended' },
  reinstate: { from: ['suspended'], to: 'trusted', done: 'device.reinstated' },
  revoke: { from: ['enrolling', 'trusted', 'suspended'], to: 'revoked', done: 'device.revoked' },
  remove: { from: ['enrolling', 'trusted', 'suspended', 'revoked'], to: 'removed', done: 'device.removed' },
};

/** A decision about trust. `moved` false: it was decided before. */
export interface TrustDecision {
  readonly moved: boolean;
  readonly trust: Trust;
}

/**
 * Decides in one transaction: the state by a conditional update, what ends with it, and the audit.
 * Errors: node_not_found (no such device, or removed), conflict (the state does not allow it).
 */
export async function decideTrust(
  { store, clock, audit }: IdentityPorts,
  verb: TrustVerb,
  deviceId: DeviceId,
  actor: TrustActor,
  reason: string,
): Promise<TrustDecision> {
  const { from, to, done } = TRUST_MOVES[verb];
  const decide = async (tx: Tx): Promise<{ readonly before: Trust | undefined; readonly moved: boolean }> => {
    const before = (await deviceById(tx, deviceId))?.trust;
    const moved = await moveTrust(tx, deviceId, from, to, reason, clock.now());
    if (!moved) return { before, moved };
    if (to === 'removed') {
      await revokeCertificates(tx, deviceId);
      await releaseKey(tx, deviceId);
    }
    await audit(tx, {
      actor: actor.id,
      source: actor.source,
      action: done,
      subject: deviceId,
      deviceId,
      outcome: to,
      details: { reason, before },
    });
    return { before, moved };
  };
  const { before, moved } = await store.write(decide);
  if (moved || before === to) return { moved, trust: to };
  if (before === undefined || before === 'removed') {
    throw new PalyraError('node_not_found', `no node has the id ${deviceId}`, { hint: 'palyra nodes list' });
  }
  throw new PalyraError('conflict', `node ${deviceId} is ${before}; to ${verb} it is not possible`, {
    hint: hintFor(verb, before, deviceId),
    details: { trust: before },
  });
}

function hintFor(verb: TrustVerb, before: Trust, deviceId: DeviceId): string {
  if (verb === 'reinstate' && before === 'revoked') {
    return `a revoked node pairs again: palyra nodes remove ${deviceId}, then palyra node pair on the machine`;
  }
  return `palyra nodes describe ${deviceId}`;
}
