import { randomUUID } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { PalyraError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { connectNode, type NodeConnection } from '../../rpc/node-client.ts';
import type { WireSchema } from '../../rpc/schema.ts';
import type { DeviceIdentity } from '../identity-store.ts';
import type { Offer } from '../policy/node-policy.ts';
import type { MachineFacts } from './machine-facts.ts';
import { repeated } from './retry.ts';

const ATTEMPTS = 10;

export interface FirstStreamOptions {
  readonly schema: WireSchema;
  /** `host:port`. */
  readonly address: string;
  readonly identity: DeviceIdentity;
  readonly facts: MachineFacts;
  readonly offers: readonly Offer[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface Registered {
  readonly daemonId: string | null;
  /** As the daemon calls the device. */
  readonly name: string;
}

/**
 * Registers under the fresh certificate and opens one stream until the daemon welcomes it: with that the pairing is
 * complete on both sides. Errors: what the daemon says, daemon_unreachable.
 */
export function firstStream(options: FirstStreamOptions): Promise<Registered> {
  const { schema, address, identity, clock, signal } = options;
  const once = async (): Promise<Registered> => {
    const connection = connectNode(schema, {
      address,
      ca: identity.caPem,
      identity: { chain: identity.chainPem, key: identity.keyPem },
    });
    try {
      return await registerAndStream(connection, options);
    } finally {
      connection.close();
    }
  };
  return repeated(once, { attempts: ATTEMPTS, clock, signal });
}

async function registerAndStream(
  connection: NodeConnection,
  { facts, offers, clock, signal }: FirstStreamOptions,
): Promise<Registered> {
  const { name: _, ...machine } = facts;
  // This process runs nothing, so it has neither a ledger nor work of an earlier boot.
  const instance = { boot_id: randomUUID(), ledger_id: randomUUID() };
  const registered = await connection.register({
    instance: { ...machine, ...instance, pid: process.pid, started_at_unix_ms: clock.now() },
    capabilities: offers.map(({ name, available, unavailable_reason: reason }) => ({
      name,
      available,
      ...(reason !== undefined && { unavailable_reason: reason.slice(0, LIMITS.nameLength * 4) }),
    })),
    node_unix_ms: clock.now(),
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stopTimer = clock.after(LIMITS.unaryCallMs, () =>
    reject(new PalyraError('daemon_unreachable', 'the daemon did not welcome the first stream in time')),
  );
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  const stream = connection.openStream({
    frame: (frame) => {
      if (frame.welcome) resolve();
    },
    ended: (cause) =>
      reject(cause ?? new PalyraError('daemon_unreachable', 'the daemon ended the first stream at once')),
  });
  try {
    stream.send({ hello: { session_id: registered.session_id ?? '', ...instance } });
    await promise;
    stream.send({ stopping: { reason: 'paired; the node host has not started yet' } });
    stream.end();
  } finally {
    stopTimer();
    signal.removeEventListener('abort', abort);
  }
  return { daemonId: registered.daemon_id ?? null, name: registered.name ?? facts.name };
}
