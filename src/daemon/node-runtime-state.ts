// The rooms of a daemon, built on one store and joined to each other.
import { AuditLog } from '../audit/audit-log.ts';
import { Dispatcher } from '../dispatch/dispatcher.ts';
import { IdentityManager } from '../identity/identity-manager.ts';
import { Inventory } from '../inventory/inventory.ts';
import type { Clock } from '../kernel/clock.ts';
import { idMaker } from '../kernel/ids.ts';
import type { Logger } from '../kernel/log.ts';
import { roleHome } from '../kernel/paths.ts';
import { completeRequest } from '../pairing/complete-request.ts';
import { Pairing } from '../pairing/pairing.ts';
import { closeSessionsOf } from '../store/node-sessions.ts';
import { openNodeRuntime } from '../store/open-node-runtime.ts';
import { openStore } from '../store/open-store.ts';
import type { Store, Tx } from '../store/store.ts';
import { openDaemonId } from './daemon-id.ts';
import type { DaemonSettings } from './daemon-settings.ts';

export interface RuntimeOptions {
  readonly home: string;
  readonly settings: DaemonSettings;
  readonly clock: Clock;
  readonly log: Logger;
  /** The disk refused a sync: what was written is uncertain, so the process must end. */
  readonly onDiskFailure: (cause: Error) => void;
}

/** What a daemon knows and does, without its listeners. */
export interface NodeRuntimeState {
  readonly daemonId: string;
  readonly store: Store;
  readonly identity: IdentityManager;
  readonly pairing: Pairing;
  readonly inventory: Inventory;
  readonly dispatcher: Dispatcher;
  readonly audit: AuditLog['append'];
  /** After the listeners are closed. */
  close(): Promise<void>;
}

/** Things that are closed in the opposite order of their opening, also when a later one did not open. */
class Opened {
  readonly #closers: (() => unknown)[] = [];

  add<Thing>(thing: Thing, close: (thing: Thing) => unknown): Thing {
    this.#closers.push(() => close(thing));
    return thing;
  }

  close = async (): Promise<void> => {
    for (const close of this.#closers.splice(0).reverse()) await close();
  };
}

/**
 * Opens the store, makes what a first start needs, and joins the rooms. Errors: `database_newer`, `store_unavailable`,
 * `credential_unsafe`, `credential_damaged`, `clock_skew`, `disk_full`, `no_permission`.
 */
export async function openRuntimeState(options: RuntimeOptions): Promise<NodeRuntimeState> {
  const opened = new Opened();
  try {
    return await open(options, opened);
  } catch (cause) {
    await opened.close();
    throw cause;
  }
}

async function open(options: RuntimeOptions, opened: Opened): Promise<NodeRuntimeState> {
  const { settings, clock, log } = options;
  const home = roleHome(options.home, 'daemon');
  const newId = idMaker(() => clock.now());
  const daemonId = await openDaemonId(home, newId);
  const { store } = await openStore({
    home,
    clock,
    log,
    onDiskFailure: options.onDiskFailure,
    ...(settings.database_url !== '' && { databaseUrl: settings.database_url }),
  });
  opened.add(store, (it) => it.close());
  // Before anything can run: work in flight of an earlier stop leaves the file first.
  const { file } = await openNodeRuntime({ home, store, daemonId, clock, log });
  opened.add(file, (it) => it.flush());
  const { append: audit } = new AuditLog({ daemonId, clock });
  const ports = { store, clock, log, newId, daemonId, audit };
  const identity = opened.add(
    await IdentityManager.open({
      ...ports,
      home,
      deviceLeafMs: settings.device_certificate_ms,
      daemonLeafMs: settings.daemon_certificate_ms,
      onEnrolled: completeRequest(audit),
    }),
    (it) => it.close(),
  );
  const pairing = opened.add(
    await Pairing.open({ ...ports, identity, home, requestMs: settings.pairing_request_ms }),
    (it) => it.close(),
  );
  const inventory = new Inventory({ ...ports, changed: () => undefined });
  const dispatcher = new Dispatcher({
    ...ports,
    target: inventory.target,
    watcherGraceMs: settings.watcher_grace_ms,
  });
  // A daemon that was killed closed no session: none of its streams lives on.
  await store.write((tx: Tx) => closeSessionsOf(tx, daemonId, clock.now()));
  await dispatcher.start();
  return { daemonId, store, identity, pairing, inventory, dispatcher, audit, close: opened.close };
}
