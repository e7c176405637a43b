import type { Clock } from '../kernel/clock.ts';
import type { HomeLock } from '../kernel/home-lock.ts';
import type { Logger } from '../kernel/log.ts';
import type { OperatorListeners } from '../operator/listeners.ts';
import type { NodeListener } from '../rpc/node-listener.ts';
import { removeInstance } from './instance-file.ts';
import type { NodeRuntimeState } from './node-runtime-state.ts';

interface Stopping {
  readonly rooms: NodeRuntimeState;
  readonly nodes: NodeListener;
  readonly operators: OperatorListeners;
  readonly home: string;
  readonly lock: HomeLock;
  readonly clock: Clock;
  readonly log: Logger;
  readonly drainMs: number;
}

// Nodes come back soon after: by then a restarted daemon listens again.
const RETRY_AFTER_MS = 1_000;
const LOOK_MS = 25;

/**
 * Ends a daemon so that nothing is lost: no new work, operators and nodes are told, their last words are written, then
 * the store closes. What runs on nodes goes on there, and comes home when a daemon is back.
 */
export async function stopInOrder(stopping: Stopping): Promise<void> {
  const { rooms, nodes, operators, home, lock, clock, log, drainMs } = stopping;
  const { dispatcher, store, audit, daemonId } = rooms;
  const deadline = clock.monotonic() + drainMs;
  log.info({ nodes: nodes.sessions, open_requests: dispatcher.open }, 'the daemon is stopping');
  dispatcher.drain();
  await operators.drain();
  nodes.drain(RETRY_AFTER_MS);
  while (nodes.sessions > 0 && clock.monotonic() < deadline) await clock.sleep(LOOK_MS);
  await nodes.stop();
  await operators.stop();
  await store.write((tx) =>
    audit(tx, {
      actor: 'system:daemon',
      source: 'local',
      action: 'daemon.stopped',
      subject: daemonId,
      outcome: 'stopped',
      details: { open_requests: dispatcher.open },
    }),
  );
  await rooms.close();
  removeInstance(home);
  lock.release();
  log.info('the daemon has stopped');
}
