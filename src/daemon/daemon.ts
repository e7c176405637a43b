import type { CapabilityDispatch } from '../dispatch/types.ts';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId } from '../kernel/ids.ts';
import type { Logger } from '../kernel/log.ts';
import { roleHome } from '../kernel/paths.ts';
import { VERSION } from '../kernel/version.ts';
import { type OperatorListeners, startOperatorListeners } from '../operator/listeners.ts';
import { loopbackAddress } from '../operator/tcp-address.ts';
import { type NodeListener, startNodeListener } from '../rpc/node-listener.ts';
import { pairingHandlers } from '../rpc/pairing-service.ts';
import { loadWireSchema } from '../rpc/schema.ts';
import type { Trust } from '../store/schema.ts';
import { capabilityCatalog } from './capability-catalog.ts';
import { lockDaemonHome } from './daemon-lock.ts';
import type { DaemonSettings } from './daemon-settings.ts';
import { type DaemonInstance, removeInstance, writeInstance } from './instance-file.ts';
import { addressText, listenAddress } from './listen-address.ts';
import { type NodeRuntimeState, openRuntimeState } from './node-runtime-state.ts';
import { readinessChecks } from './readiness.ts';
import { stopInOrder } from './stop-in-order.ts';

export interface DaemonOptions {
  /** The folder that holds `daemon`. */
  readonly home: string;
  readonly settings: DaemonSettings;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when this process must end because its disk cannot be trusted any more. */
  readonly onDiskFailure: (cause: Error) => void;
}

export interface Daemon {
  readonly instance: DaemonInstance;
  /** Open streams of nodes. */
  readonly nodes: number;
  /** What operators reach over HTTP, for whoever runs a daemon inside a process. */
  readonly dispatch: CapabilityDispatch;
  /** Takes nothing new, tells everybody, and ends within the time that the settings give. */
  stop(): Promise<void>;
}

/**
 * Starts the central runtime on a home: rooms, node port, operator API. Errors: `daemon_already_running`,
 * `config_invalid`, `port_taken`, and those of `openRuntimeState`. A start that fails leaves nothing open.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { home, settings, clock, log } = options;
  const nodeAddress = listenAddress(settings.node_listen);
  const operatorAddress = settings.operator_listen === 'none' ? null : settings.operator_listen;
  // What is wrong with the settings is told before anything is made.
  if (operatorAddress !== null) loopbackAddress(operatorAddress);
  const lock = lockDaemonHome(home);
  const opened: { rooms?: NodeRuntimeState; nodes?: NodeListener; operators?: OperatorListeners } = {};
  try {
    opened.rooms = await openRuntimeState(options);
    const { rooms } = opened;
    opened.nodes = await openNodePort(rooms, nodeAddress, options);
    joinTrust(rooms, opened.nodes, log);
    opened.operators = await startOperatorListeners({
      dispatch: rooms.dispatcher,
      inventory: rooms.inventory,
      trust: rooms.identity,
      pairing: rooms.pairing,
      catalog: capabilityCatalog(),
      readiness: readinessChecks(rooms, clock),
      store: rooms.store,
      clock,
      log,
      home,
      daemonId: rooms.daemonId,
      tcpAddress: operatorAddress,
    });
    const instance = await announce(opened.operators, opened.nodes, rooms, options);
    const { nodes, operators } = opened;
    return {
      instance,
      dispatch: rooms.dispatcher,
      get nodes() {
        return nodes.sessions;
      },
      stop: () => stopInOrder({ rooms, nodes, operators, home, lock, clock, log, drainMs: settings.drain_ms }),
    };
  } catch (cause) {
    await opened.operators?.stop();
    await opened.nodes?.stop();
    await opened.rooms?.close();
    removeInstance(home);
    lock.release();
    throw cause;
  }
}

async function openNodePort(
  { identity, inventory, dispatcher, pairing, daemonId }: NodeRuntimeState,
  { host, port }: { readonly host: string; readonly port: number },
  { clock, log }: DaemonOptions,
): Promise<NodeListener> {
  const schema = loadWireSchema();
  const listener = await startNodeListener({
    host,
    port,
    schema,
    serverIdentity: identity.serverCredentials(),
    identity,
    inventory,
    dispatch: dispatcher.nodes,
    pairing: pairingHandlers({ pairing, schema, clock, log }),
    daemonId,
    clock,
    log,
  });
  identity.onServerCredentials((credentials) => listener.renew(credentials));
  return listener;
}

/** A device that loses its trust loses its stream and its open work at once. */
function joinTrust({ identity, dispatcher, inventory }: NodeRuntimeState, nodes: NodeListener, log: Logger): void {
  const told = (work: Promise<unknown>): void => {
    work.catch((cause: unknown) => log.error({ err: cause }, 'a change of trust was not followed everywhere'));
  };
  identity.onTrustChange((deviceId: DeviceId, trust: Trust, reason: string) => {
    const why = reason === '' ? '' : `: ${reason}`;
    if (trust === 'revoked' || trust === 'suspended' || trust === 'removed') {
      log.warn({ device_id: deviceId, trust, reason }, 'a device lost its trust');
      nodes.cut(deviceId, new PalyraError(`device_${trust}`, `this device was ${trust}${why}`));
      told(dispatcher.nodes.endDevice(deviceId, `the device was ${trust}${why}`));
    } else {
      log.info({ device_id: deviceId, trust, reason }, 'the trust in a device changed');
    }
    told(inventory.refresh(deviceId));
  });
}

async function announce(
  { socketPath, tcpPort }: OperatorListeners,
  nodes: NodeListener,
  { daemonId, store, audit }: NodeRuntimeState,
  { home, settings, clock, log }: DaemonOptions,
): Promise<DaemonInstance> {
  const instance: DaemonInstance = {
    pid: process.pid,
    version: VERSION,
    daemon_id: daemonId,
    started_at_unix_ms: clock.now(),
    node_address: addressText({ ...listenAddress(settings.node_listen), port: nodes.port }),
    operator_address:
      tcpPort === null ? null : addressText({ ...listenAddress(settings.operator_listen), port: tcpPort }),
    operator_socket: socketPath,
  };
  await store.write((tx) =>
    audit(tx, {
      actor: 'system:daemon',
      source: 'local',
      action: 'daemon.started',
      subject: daemonId,
      outcome: 'started',
      details: { version: VERSION, node_address: instance.node_address },
    }),
  );
  await writeInstance(home, instance);
  log.info({ ...instance, home: roleHome(home, 'daemon') }, 'the daemon is ready');
  return instance;
}
