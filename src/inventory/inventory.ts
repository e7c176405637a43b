import { createHash, randomBytes } from 'node:crypto';
import type { DispatchTarget } from '../dispatch/target.ts';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId, SessionId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import {
  type DeviceQuery,
  deviceById,
  devicesByIdPrefix,
  devicesByName,
  listDevices,
  noteDeviceFacts,
  noteDisconnect,
  noteOffers,
} from '../store/device-directory.ts';
import { closeSession, openSession } from '../store/node-sessions.ts';
import type { DeviceRow, NodeSessionRow } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { type Presence, presenceOf } from './presence.ts';
import { type CapabilityOffer, type InventoryDeviceRecord, inventoryRecord, namesOf, offersOf } from './records.ts';

/** What a node says of its process when it registers. */
export interface InstanceFacts {
  readonly bootId: string;
  readonly ledgerId: string;
  readonly pid: number;
  readonly startedAtUnixMs: number;
  readonly palyraVersion: string;
  readonly platform: string;
  readonly arch: string;
  readonly osVersion: string;
  readonly hostname: string;
  readonly remoteAddress: string;
  readonly nodeUnixMs: number;
}

export interface RegisteredSession {
  readonly sessionId: SessionId;
  readonly epoch: number;
  readonly name: string;
  readonly lastSeenToken: Buffer;
}

interface Connected {
  readonly session: NodeSessionRow;
  readonly clockSkewMs: number;
  target: DispatchTarget;
  lastSeenAtUnixMs: number;
  degradedReason: string | null;
}

export interface InventoryPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
  readonly daemonId: string;
  /** Told when something that lists show has changed. */
  readonly changed: (deviceId: DeviceId) => void;
}

const AMBIGUOUS_SHOWN = 5;
const PREFIX_SHORTEST = 4;

/** Devices, their instances and their presence: the one model that list, describe, dispatch and the Console read. */
export class Inventory {
  readonly #ports: InventoryPorts;
  readonly #sessions = new Map<SessionId, Connected>();
  readonly #connected = new Map<DeviceId, Connected>();

  constructor(ports: InventoryPorts) {
    this.#ports = ports;
  }

  /** Number of open streams. */
  get connected(): number {
    return this.#connected.size;
  }

  /** The heartbeat interval that keeps the whole fleet below its cap of beats per second, ms. */
  get heartbeatMs(): number {
    return Math.max(LIMITS.heartbeatMs, Math.ceil((this.#connected.size / LIMITS.heartbeatsPerSecond) * 1000));
  }

  /** A node announced an instance: a new session, whose epoch fences off every earlier one. */
  async register(
    deviceId: DeviceId,
    instance: InstanceFacts,
    offers: readonly CapabilityOffer[],
  ): Promise<RegisteredSession> {
    const { store, clock, newId, daemonId } = this.#ports;
    const now = clock.now();
    const sessionId = newId() as SessionId;
    const token = randomBytes(32);
    const tokenHash = createHash('sha256').update(token).digest('hex');
    const session = {
      device_id: deviceId,
      session_id: sessionId,
      daemon_id: daemonId,
      boot_id: instance.bootId,
      ledger_id: instance.ledgerId,
      instance_json: JSON.stringify({
        pid: instance.pid,
        palyra_version: instance.palyraVersion,
        started_at_unix_ms: instance.startedAtUnixMs,
      }),
      remote_address: instance.remoteAddress,
      connected_at_unix_ms: now,
    };
    const { epoch, row } = await store.write(async (tx) => {
      const known = await deviceById(tx, deviceId);
      if (known === undefined) throw new PalyraError('device_removed', `device ${deviceId} is not in the inventory`);
      const facts = {
        platform: instance.platform,
        arch: instance.arch,
        os_version: instance.osVersion,
        palyra_version: instance.palyraVersion,
        hostname: instance.hostname,
        offered_json: JSON.stringify(offers),
        last_seen_at_unix_ms: now,
        seen_tokens_json: JSON.stringify([tokenHash, ...(JSON.parse(known.seen_tokens_json) as string[])].slice(0, 2)),
      };
      await noteDeviceFacts(tx, deviceId, facts);
      return { epoch: await openSession(tx, session), row: { ...known, ...facts } };
    });
    this.#sessions.set(sessionId, {
      session: { ...session, epoch, closed_at_unix_ms: null },
      clockSkewMs: instance.nodeUnixMs - now,
      target: targetOf(row),
      lastSeenAtUnixMs: now,
      degradedReason: null,
    });
    // A session without a stream is forgotten.
    clock.after(LIMITS.silenceMs, () => {
      if (this.#connected.get(deviceId)?.session.session_id !== sessionId) this.#sessions.delete(sessionId);
    });
    return { sessionId, epoch, name: row.name, lastSeenToken: token };
  }

  /** The stream of a session opened. Errors: `session_superseded` when it is unknown or a newer one exists. */
  opened(deviceId: DeviceId, sessionId: SessionId): NodeSessionRow {
    const found = this.#sessions.get(sessionId);
    const current = this.#connected.get(deviceId);
    if (
      found === undefined ||
      found.session.device_id !== deviceId ||
      (current !== undefined && current.session.epoch >= found.session.epoch)
    ) {
      throw new PalyraError('session_superseded', `session ${sessionId} is not the newest of this device`, {
        hint: 'register again',
      });
    }
    this.#connected.set(deviceId, found);
    this.#ports.changed(deviceId);
    return found.session;
  }

  /** The stream of a session ended. */
  async closed(deviceId: DeviceId, sessionId: SessionId, reason: string): Promise<void> {
    const found = this.#sessions.get(sessionId);
    this.#sessions.delete(sessionId);
    if (found === undefined || this.#connected.get(deviceId) !== found) return;
    this.#connected.delete(deviceId);
    this.#ports.changed(deviceId);
    const atUnixMs = this.#ports.clock.now();
    await this.#ports.store.write(async (tx) => {
      await closeSession(tx, deviceId, sessionId, atUnixMs);
      await noteDisconnect(tx, deviceId, { atUnixMs, reason, lastSeenAtUnixMs: found.lastSeenAtUnixMs });
    });
  }

  /** Anything came from the node: in memory only, a heartbeat writes nothing. */
  seen(deviceId: DeviceId): void {
    const found = this.#connected.get(deviceId);
    if (found !== undefined) found.lastSeenAtUnixMs = this.#ports.clock.now();
  }

  health(deviceId: DeviceId, degradedReason: string | null): void {
    const found = this.#connected.get(deviceId);
    if (found === undefined || found.degradedReason === degradedReason) return;
    found.degradedReason = degradedReason;
    this.#ports.changed(deviceId);
  }

  async offersChanged(deviceId: DeviceId, offers: readonly CapabilityOffer[]): Promise<void> {
    await this.#ports.store.write((tx) => noteOffers(tx, deviceId, JSON.stringify(offers)));
    await this.refresh(deviceId);
  }

  /** Reads a device anew after its trust or grants changed. */
  async refresh(deviceId: DeviceId): Promise<void> {
    const found = this.#connected.get(deviceId);
    const row = await deviceById(this.#ports.store.reader, deviceId);
    if (found !== undefined && row !== undefined) found.target = targetOf(row);
    this.#ports.changed(deviceId);
  }

  /** What decides whether something may be dispatched to a device; undefined when there is no such device. */
  target = async (deviceId: DeviceId): Promise<DispatchTarget | undefined> => {
    const found = this.#connected.get(deviceId);
    if (found !== undefined) return found.target;
    const row = await deviceById(this.#ports.store.reader, deviceId);
    return row === undefined ? undefined : targetOf(row);
  };

  async list(
    query: DeviceQuery & { readonly presence?: readonly Presence[] },
    cursor: string | null,
    limit: number,
  ): Promise<{ readonly rows: readonly InventoryDeviceRecord[]; readonly nextCursor: string | null }> {
    const { presence, ...rest } = query;
    const rows: InventoryDeviceRecord[] = [];
    let after = cursor as DeviceId | null;
    // Presence is not in the database, so pages are filled by reading on.
    for (;;) {
      const found = await listDevices(this.#ports.store.reader, rest, after, limit + 1);
      for (const row of found.slice(0, limit)) {
        const record = this.#record(row);
        after = row.device_id;
        if (presence === undefined || presence.includes(record.presence)) rows.push(record);
        if (rows.length === limit) break;
      }
      if (found.length <= limit && (found.at(-1)?.device_id ?? after) === after) return { rows, nextCursor: null };
      if (rows.length === limit) return { rows, nextCursor: after };
    }
  }

  /** Errors: `node_not_found`. */
  async describe(deviceId: DeviceId): Promise<InventoryDeviceRecord> {
    const row = await deviceById(this.#ports.store.reader, deviceId);
    if (row === undefined) throw unknownNode(deviceId);
    return this.#record(row);
  }

  /**
   * Finds the device that `text` means: its id, its name, or a prefix of its id that only it has.
   * Errors: `node_not_found`, `ambiguous_name` with the candidates.
   */
  async resolve(text: string): Promise<InventoryDeviceRecord> {
    const { reader } = this.#ports.store;
    const upper = text.toUpperCase();
    const byId = await deviceById(reader, upper as DeviceId);
    if (byId !== undefined) return this.#record(byId);
    let found = await devicesByName(reader, text, AMBIGUOUS_SHOWN + 1);
    if (found.length === 0 && text.length >= PREFIX_SHORTEST && /^[0-9A-Z]+$/.test(upper)) {
      found = await devicesByIdPrefix(reader, upper, AMBIGUOUS_SHOWN + 1);
    }
    const [only] = found;
    if (only === undefined) throw unknownNode(text);
    if (found.length === 1) return this.#record(only);
    const candidates = found.slice(0, AMBIGUOUS_SHOWN).map((row) => ({ device_id: row.device_id, name: row.name }));
    throw new PalyraError('ambiguous_name', `${JSON.stringify(text)} means several nodes`, {
      hint: `name one by its id: ${candidates.map(({ device_id, name }) => `${device_id} (${name})`).join(', ')}`,
      details: { candidates },
    });
  }

  #record(row: DeviceRow): InventoryDeviceRecord {
    const live = this.#connected.get(row.device_id);
    const facts = {
      connected: live !== undefined,
      degradedReason: live?.degradedReason ?? null,
      lastDisconnectedAtUnixMs: row.last_disconnected_at_unix_ms,
    };
    return inventoryRecord(row, {
      presence: presenceOf(facts, this.#ports.clock.now()),
      degradedReason: facts.degradedReason,
      lastSeenAtUnixMs: live?.lastSeenAtUnixMs ?? null,
      clockSkewMs: live?.clockSkewMs ?? null,
      session: live?.session ?? null,
    });
  }
}

const unknownNode = (text: string): PalyraError =>
  new PalyraError('node_not_found', `no node is called ${JSON.stringify(text)}`, {
    hint: 'palyra nodes list',
  });

const targetOf = (row: DeviceRow): DispatchTarget => ({
  deviceId: row.device_id,
  name: row.name,
  trust: row.trust,
  granted: namesOf(row.granted_json),
  withdrawn: namesOf(row.withdrawn_json),
  offers: new Map(
    offersOf(row).map(({ name, available, unavailable_reason }) => [name, { available, reason: unavailable_reason }]),
  ),
  lastDisconnectReason: row.last_disconnect_reason,
});
