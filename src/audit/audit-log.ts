// The record of who did what: append-only, each row carrying the hash of the one before it. One chain per daemon
// instance, so that no two writers share a head.
import { createHash } from 'node:crypto';
import type { Clock } from '../kernel/clock.ts';
import { insertAuditRow, lastAuditRow } from '../store/audit.ts';
import type { AuditRow } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';

export interface AuditEntry {
  /** `operator:<id>`, `device:<id>` or `system:<part>`. */
  readonly actor: string;
  /** Address it came from, `unix` or `local`. */
  readonly source: string;
  /** What was done, `<noun>.<verb>`: `pairing.approved`, `request.accepted`. */
  readonly action: string;
  /** Id of what it was done to. */
  readonly subject: string;
  readonly deviceId?: string;
  readonly outcome: string;
  /** Never secrets: their hashes. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** `prev_sha256` of the first row of a chain. */
const GENESIS = '0'.repeat(64);

/** The hash of a row: SHA-256 over its fields as a JSON array in the order of the table, `prev_sha256` included. */
function auditHash(row: Omit<AuditRow, 'sha256'>): string {
  const fields = [
    row.daemon_id,
    row.seq,
    row.at_unix_ms,
    row.actor,
    row.source,
    row.action,
    row.subject,
    row.device_id,
    row.outcome,
    row.details_json,
    row.prev_sha256,
  ];
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}

interface Head {
  readonly seq: number;
  readonly sha256: string;
}

export class AuditLog {
  readonly #daemonId: string;
  readonly #clock: Clock;
  // The head as a transaction sees it: read once for all rows of a turn. It goes with the transaction, so a rollback
  // takes it along.
  readonly #heads = new WeakMap<Tx, Head>();

  constructor({ daemonId, clock }: { readonly daemonId: string; readonly clock: Clock }) {
    this.#daemonId = daemonId;
    this.#clock = clock;
  }

  /** Adds one row in the transaction of the act itself: both are there or neither. */
  append = async (tx: Tx, entry: AuditEntry): Promise<void> => {
    const head = this.#heads.get(tx) ?? (await lastAuditRow(tx, this.#daemonId)) ?? { seq: 0, sha256: GENESIS };
    const row = {
      daemon_id: this.#daemonId,
      seq: head.seq + 1,
      at_unix_ms: this.#clock.now(),
      actor: entry.actor,
      source: entry.source,
      action: entry.action,
      subject: entry.subject,
      device_id: entry.deviceId ?? null,
      outcome: entry.outcome,
      details_json: JSON.stringify(entry.details ?? {}),
      prev_sha256: head.sha256,
    };
    const sha256 = auditHash(row);
    await insertAuditRow(tx, { ...row, sha256 });
    this.#heads.set(tx, { seq: row.seq, sha256 });
  };
}
