// The node port of a daemon over real TLS and gRPC, with real store, identity, pairing, inventory and dispatch.
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { AuditLog } from '../../src/audit/audit-log.ts';
import { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { IdentityManager } from '../../src/identity/identity-manager.ts';
import { Inventory } from '../../src/inventory/inventory.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { ensurePrivateDir } from '../../src/kernel/files.ts';
import { idMaker } from '../../src/kernel/ids.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import { completeRequest } from '../../src/pairing/complete-request.ts';
import { Pairing } from '../../src/pairing/pairing.ts';
import type { PairingRecord } from '../../src/pairing/types.ts';
import { type NodeListener, startNodeListener } from '../../src/rpc/node-listener.ts';
import { pairingHandlers } from '../../src/rpc/pairing-service.ts';
import { loadWireSchema, type WireSchema } from '../../src/rpc/schema.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { APPROVER, NO_LIMITS } from './pairing-home.ts';

interface Running {
  readonly store: Store;
  readonly identity: IdentityManager;
  readonly pairing: Pairing;
  readonly listener: NodeListener;
}

export class PairingDaemon {
  readonly home: string;
  readonly schema: WireSchema = loadWireSchema();
  #running: Running | undefined;
  port = 0;

  private constructor(home: string) {
    this.home = home;
  }

  static async start(t: TestContext): Promise<PairingDaemon> {
    const home = mkdtempSync(join(tmpdir(), 'palyra-pairing-'));
    const daemon = new PairingDaemon(home);
    t.after(async () => {
      await daemon.stop();
      rmSync(home, { recursive: true, force: true });
    });
    await daemon.run();
    return daemon;
  }

  get #now(): Running {
    if (this.#running === undefined) throw new Error('the daemon does not run');
    return this.#running;
  }

  get pairing(): Pairing {
    return this.#now.pairing;
  }

  get store(): Store {
    return this.#now.store;
  }

  get identity(): IdentityManager {
    return this.#now.identity;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async run(): Promise<void> {
    const clock = systemClock;
    const folder = join(this.home, 'daemon');
    ensurePrivateDir(folder);
    const log = makeLogger({
      level: 'info',
      component: 'test',
      fd: openSync(join(folder, 'log.jsonl'), 'a', 0o600),
    });
    const store = await openSqliteStore({ path: join(folder, 'palyra.db') });
    const daemonId = '01BX5ZZKBKACTAV9WEVGEMMVRZ';
    const newId = idMaker(() => clock.now());
    const { append: audit } = new AuditLog({ daemonId, clock });
    const common = { store, clock, log, newId, daemonId, audit };
    const identity = await IdentityManager.open({ ...common, home: folder, onEnrolled: completeRequest(audit) });
    const pairing = await Pairing.open({ ...common, identity, home: folder, rates: NO_LIMITS });
    const inventory = new Inventory({ ...common, changed: () => undefined });
    const dispatcher = new Dispatcher({ ...common, target: inventory.target });
    await dispatcher.start();
    const listener = await startNodeListener({
      host: '127.0.0.1',
      port: this.port,
      schema: this.schema,
      serverIdentity: identity.serverCredentials(),
      identity,
      inventory,
      dispatch: dispatcher.nodes,
      pairing: pairingHandlers({ pairing, schema: this.schema, clock, log }),
      daemonId,
      clock,
      log,
    });
    this.port = listener.port;
    this.#running = { store, identity, pairing, listener };
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined) return;
    await running.listener.stop();
    await running.pairing.close();
    running.identity.close();
    await running.store.close();
  }

  async pin(): Promise<string> {
    return (await this.pairing.mintPin({}, APPROVER)).pin;
  }

  /** The request that comes next in this state. */
  async nextRequest(): Promise<PairingRecord> {
    for (let look = 0; look < 200; look += 1) {
      const { rows } = await this.pairing.listRequests({ state: 'pending_approval' }, null, 1);
      if (rows[0] !== undefined) return rows[0];
      await systemClock.sleep(25);
    }
    throw new Error('no pairing request came within five seconds');
  }

  async approveNext(grant?: readonly string[]): Promise<PairingRecord> {
    const request = await this.nextRequest();
    return this.pairing.approve(request.requestId, grant ?? request.grantableCapabilities, APPROVER, null);
  }
}
