// Which statements change what node-runtime.v1.json holds. Told by the statements themselves, not by whoever issues
// them: a repository that is added later cannot forget it.

/** `trust`: who may do what has changed, so the copy on file must not be old. */
export type FleetChange = 'fleet' | 'trust';
export type FleetListener = (change: FleetChange) => void;

const FLEET_TABLES = new Set(['devices', 'certificates', 'pairing_codes', 'pairing_requests']);
const TRUST_COLUMNS = ['trust', 'granted_json', 'withdrawn_json', 'spki_sha256'];
/** What a connection, a heartbeat or its end leaves on a device. */
const VOLATILE_COLUMNS = new Set([
  'platform',
  'arch',
  'os_version',
  'palyra_version',
  'hostname',
  'offered_json',
  'seen_tokens_json',
  'last_seen_at_unix_ms',
  'last_disconnected_at_unix_ms',
  'last_disconnect_reason',
]);
const WRITE = /^(?:insert into|delete from|update) "(\w+)"(?: set (.*?)(?: where |$))?/s;

/** What a statement as Kysely builds it changes of the fleet; undefined: nothing. */
function fleetChangeOf(sql: string): FleetChange | undefined {
  const [, table = '', sets] = WRITE.exec(sql) ?? [];
  if (!FLEET_TABLES.has(table)) return undefined;
  if (table !== 'devices' || sets === undefined) return 'fleet';
  const columns = [...sets.matchAll(/"(\w+)" =/g)].map(([, name = '']) => name);
  if (columns.some((name) => TRUST_COLUMNS.includes(name))) return 'trust';
  return columns.every((name) => VOLATILE_COLUMNS.has(name)) ? undefined : 'fleet';
}

/** Gathers what the statements of a transaction change and tells it once that is committed. */
export class FleetChanges {
  readonly #listeners = new Set<FleetListener>();
  readonly #known = new Map<string, FleetChange | undefined>();
  #pending: FleetChange | undefined;

  /** A statement was run and changed this many rows. */
  saw(sql: string, rows: number | bigint): void {
    if (rows === 0 || rows === 0n || this.#pending === 'trust') return;
    if (!this.#known.has(sql)) {
      // Statements with lists of values are as many as their lengths.
      if (this.#known.size >= 1000) this.#known.clear();
      this.#known.set(sql, fleetChangeOf(sql));
    }
    this.#pending = this.#known.get(sql) ?? this.#pending;
  }

  committed(): void {
    const change = this.#pending;
    this.#pending = undefined;
    if (change !== undefined) for (const listener of this.#listeners) listener(change);
  }

  /** Returns what ends it. */
  listen(listener: FleetListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
