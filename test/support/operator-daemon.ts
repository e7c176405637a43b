// The operator side of a daemon over a real socket: real store, dispatcher and inventory; only the machine at the other
// end (ScriptedNode) and the pairing room are stand-ins.
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditLog } from '../../src/audit/audit-log.ts';
import { OperatorClient } from '../../src/cli/operator-client.ts';
import { homeEndpoints } from '../../src/cli/operator-endpoint.ts';
import { findToken } from '../../src/cli/operator-token-source.ts';
import { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { Inventory } from '../../src/inventory/inventory.ts';
import { type Clock, systemClock } from '../../src/kernel/clock.ts';
import { ensurePrivateDir } from '../../src/kernel/files.ts';
import { type DeviceId, idMaker } from '../../src/kernel/ids.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import { type OperatorListeners, startOperatorListeners } from '../../src/operator/listeners.ts';
import type { CapabilityCatalog } from '../../src/operator/ports.ts';
import { insertOperator } from '../../src/store/operators.ts';
import type { DeviceRow, Role } from '../../src/store/schema.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { makeOperatorToken } from '../../src/wire/operator-token.ts';
import { FakePairing } from './fake-pairing.ts';
import { strictCatalog } from './strict-catalog.ts';

const CAPABILITIES = ['echo', 'filesystem.read', 'shell.execute'];

export const deviceRow = (deviceId: DeviceId, name: string, now: number): DeviceRow => ({
  device_id: deviceId,
  name,
  trust: 'trusted',
  trust_reason: null,
  trust_changed_at_unix_ms: now,
  spki_sha256: Buffer.from(deviceId).toString('hex'),
  generation: 1,
  platform: 'linux',
  arch: 'x64',
  os_version: '6.18',
  palyra_version: '0.1.0',
  hostname: name,
  labels_json: '{"role":"web"}',
  granted_json: JSON.stringify(CAPABILITIES),
  withdrawn_json: '[]',
  offered_json: JSON.stringify(
    CAPABILITIES.map((offer) => ({ name: offer, available: true, unavailable_reason: null })),
  ),
  pairing_request_id: '01K8ZJ4Q2N7M5W3V1T9R6P8XYA',
  created_at_unix_ms: now,
  paired_at_unix_ms: now,
  last_seen_at_unix_ms: now,
  last_disconnected_at_unix_ms: null,
  last_disconnect_reason: null,
  seen_tokens_json: '[]',
  conflict_json: null,
});

export interface OperatorDaemonOptions {
  readonly home?: string;
  readonly clock?: Clock;
  readonly catalog?: CapabilityCatalog;
  readonly tcp?: string | null;
  /** How long an attached request waits for a watcher, ms. */
  readonly watcherGraceMs?: number;
}

export class OperatorDaemon {
  readonly home: string;
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly pairing: FakePairing;
  readonly listeners: OperatorListeners;
  /** What the trust port was asked. */
  readonly revoked: string[];
  readonly newId: () => string;
  readonly #clients: OperatorClient[] = [];

  private constructor(parts: {
    readonly home: string;
    readonly store: Store;
    readonly dispatcher: Dispatcher;
    readonly pairing: FakePairing;
    readonly listeners: OperatorListeners;
    readonly revoked: string[];
    readonly newId: () => string;
  }) {
    this.home = parts.home;
    this.store = parts.store;
    this.dispatcher = parts.dispatcher;
    this.pairing = parts.pairing;
    this.listeners = parts.listeners;
    this.revoked = parts.revoked;
    this.newId = parts.newId;
  }

  static async start(options: OperatorDaemonOptions = {}): Promise<OperatorDaemon> {
    const home = options.home ?? mkdtempSync(join(tmpdir(), 'palyra-op-'));
    ensurePrivateDir(join(home, 'daemon'));
    const store = await openSqliteStore({ path: join(home, 'daemon', 'palyra.db') });
    try {
      return await OperatorDaemon.#over(store, home, options);
    } catch (cause) {
      await store.close();
      if (options.home === undefined) rmSync(home, { recursive: true, force: true });
      throw cause;
    }
  }

  static async #over(store: Store, home: string, options: OperatorDaemonOptions): Promise<OperatorDaemon> {
    const { clock = systemClock, catalog = strictCatalog, tcp = null, watcherGraceMs } = options;
    const log = makeLogger({
      level: 'error',
      component: 'test',
      fd: openSync(join(home, 'daemon', 'log.jsonl'), 'a', 0o600),
    });
    const newId = idMaker(() => clock.now());
    const daemonId = 'd1';
    const { append: audit } = new AuditLog({ daemonId, clock });
    const inventory = new Inventory({ store, clock, log, newId, daemonId, changed: () => undefined });
    const dispatcher = new Dispatcher({
      store,
      clock,
      log,
      newId,
      audit,
      target: inventory.target,
      ...(watcherGraceMs !== undefined && { watcherGraceMs }),
    });
    await dispatcher.start();
    const pairing = new FakePairing(clock);
    const revoked: string[] = [];
    const listeners = await startOperatorListeners({
      dispatch: dispatcher,
      inventory,
      trust: {
        revoke: async (deviceId, actor, reason) => {
          revoked.push(`${deviceId} by ${actor.id}: ${reason}`);
          await store.write((tx) =>
            tx.updateTable('devices').set({ trust: 'revoked' }).where('device_id', '=', deviceId).execute(),
          );
        },
      },
      pairing,
      catalog,
      readiness: [{ name: 'store', check: async () => true }],
      store,
      clock,
      log,
      home,
      daemonId,
      tcpAddress: tcp,
    });
    return new OperatorDaemon({ home, store, dispatcher, pairing, listeners, revoked, newId });
  }

  async addDevice(name: string): Promise<DeviceId> {
    const deviceId = this.newId() as DeviceId;
    await this.store.write((tx) =>
      tx
        .insertInto('devices')
        .values(deviceRow(deviceId, name, Date.now()))
        .execute(),
    );
    return deviceId;
  }

  /** The text of a fresh token of this role. */
  async addOperator(
    role: Role,
    extra: { readonly scopes?: unknown; readonly expiresAt?: number } = {},
  ): Promise<string> {
    const token = makeOperatorToken(role);
    await this.store.write((tx) =>
      insertOperator(tx, {
        operator_id: token.id,
        name: `${role}-${token.id}`,
        role,
        secret_sha256: token.secretSha256.toString('hex'),
        scopes_json: extra.scopes === undefined ? null : JSON.stringify(extra.scopes),
        created_by: 'test',
        created_at_unix_ms: 0,
        expires_at_unix_ms: extra.expiresAt ?? null,
        revoked_at_unix_ms: null,
        last_used_at_unix_ms: null,
      }),
    );
    return token.text;
  }

  get adminToken(): string {
    return findToken(this.home, undefined, {})?.text ?? '';
  }

  client(token = this.adminToken): OperatorClient {
    const client = new OperatorClient({ endpoints: homeEndpoints(this.home), named: false, token });
    this.#clients.push(client);
    return client;
  }

  /** Ends it; with `keep` its home stays for the next one. */
  async stop({ keep = false }: { readonly keep?: boolean } = {}): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.listeners.stop();
    await this.store.close();
    if (!keep) rmSync(this.home, { recursive: true, force: true });
  }
}
