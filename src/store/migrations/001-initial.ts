import { type CreateTableBuilder, type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import type { StoreDialect } from './dialect.ts';

type Column = 'text' | 'int' | 'blob';
type Columns = Readonly<Record<string, Column | `${Column}?`>>;

/** Text keys in byte order, so that both databases page alike: PostgreSQL would sort by the locale. */
const typeOf = (column: Column, dialect: StoreDialect) => {
  if (dialect === 'sqlite') return sql.raw(column === 'int' ? 'integer' : column);
  return sql.raw({ text: 'text collate "C"', int: 'bigint', blob: 'bytea' }[column]);
};

async function createTable(db: Kysely<unknown>, dialect: StoreDialect, name: string, key: string[], columns: Columns) {
  let table: CreateTableBuilder<string, string> = db.schema.createTable(name);
  for (const [column, kind] of Object.entries(columns)) {
    const optional = kind.endsWith('?');
    const type = typeOf((optional ? kind.slice(0, -1) : kind) as Column, dialect);
    table = table.addColumn(column, type, (built) => (optional ? built : built.notNull()));
  }
  table = table.addPrimaryKeyConstraint(`${name}_key`, key as never);
  // Rows lie in the tree of their key: one look-up less, and ULIDs are appended at its right edge.
  if (dialect === 'sqlite') table = table.modifyEnd(sql.raw('strict, without rowid'));
  await table.execute();
}

const TABLES: readonly (readonly [name: string, key: string[], columns: Columns])[] = [
  ['meta', ['key'], { key: 'text', value: 'text' }],
  [
    'daemon_instances',
    ['daemon_id'],
    {
      daemon_id: 'text',
      boot_id: 'text',
      pid: 'int',
      version: 'text',
      address: 'text',
      started_at_unix_ms: 'int',
      beat_at_unix_ms: 'int',
      draining: 'int',
    },
  ],
  [
    'devices',
    ['device_id'],
    {
      device_id: 'text',
      name: 'text',
      trust: 'text',
      trust_reason: 'text?',
      trust_changed_at_unix_ms: 'int',
      spki_sha256: 'text',
      generation: 'int',
      platform: 'text',
      arch: 'text',
      os_version: 'text',
      palyra_version: 'text',
      hostname: 'text',
      labels_json: 'text',
      granted_json: 'text',
      withdrawn_json: 'text',
      offered_json: 'text',
      pairing_request_id: 'text',
      created_at_unix_ms: 'int',
      paired_at_unix_ms: 'int?',
      last_seen_at_unix_ms: 'int?',
      last_disconnected_at_unix_ms: 'int?',
      last_disconnect_reason: 'text?',
      seen_tokens_json: 'text',
      conflict_json: 'text?',
    },
  ],
  [
    'certificates',
    ['fingerprint'],
    {
      fingerprint: 'text',
      device_id: 'text',
      serial: 'text',
      generation: 'int',
      state: 'text',
      csr_sha256: 'text',
      certificate_der: 'blob',
      not_before_unix_ms: 'int',
      not_after_unix_ms: 'int',
      issued_at_unix_ms: 'int',
      first_used_at_unix_ms: 'int?',
      superseded_at_unix_ms: 'int?',
    },
  ],
  [
    'pairing_codes',
    ['code_id'],
    {
      code_id: 'text',
      kind: 'text',
      selector: 'text',
      salt: 'blob',
      kdf_log_n: 'int',
      kdf_r: 'int',
      kdf_p: 'int',
      w0: 'blob',
      l: 'blob',
      tries_left: 'int',
      uses_left: 'int',
      expires_at_unix_ms: 'int',
      created_at_unix_ms: 'int',
      created_by: 'text',
      constraints_json: 'text',
    },
  ],
  [
    'pairing_requests',
    ['request_id'],
    {
      request_id: 'text',
      session_id: 'text',
      code_id: 'text',
      code_kind: 'text',
      code_created_by: 'text',
      code_created_at_unix_ms: 'int',
      approval_id: 'text',
      device_id: 'text',
      state: 'text',
      known_key: 'int',
      name: 'text',
      platform: 'text',
      arch: 'text',
      os_version: 'text',
      palyra_version: 'text',
      hostname: 'text',
      source_address: 'text',
      short_string: 'text',
      csr_der: 'blob',
      spki_sha256: 'text',
      confirm_p_sha256: 'text',
      requested_json: 'text',
      granted_json: 'text?',
      constraints_json: 'text',
      certificate_fingerprint: 'text?',
      created_at_unix_ms: 'int',
      expires_at_unix_ms: 'int',
      decided_at_unix_ms: 'int?',
      decided_by: 'text?',
      reason: 'text?',
      completed_at_unix_ms: 'int?',
    },
  ],
  [
    'approvals',
    ['approval_id'],
    {
      approval_id: 'text',
      subject_type: 'text',
      subject_id: 'text',
      state: 'text',
      requested_by: 'text',
      prompt_json: 'text',
      binding_sha256: 'text?',
      created_at_unix_ms: 'int',
      expires_at_unix_ms: 'int',
      decided_at_unix_ms: 'int?',
      decided_by: 'text?',
      reason: 'text?',
    },
  ],
  [
    'node_sessions',
    ['device_id'],
    {
      device_id: 'text',
      session_id: 'text',
      daemon_id: 'text',
      epoch: 'int',
      boot_id: 'text',
      ledger_id: 'text',
      instance_json: 'text',
      remote_address: 'text',
      connected_at_unix_ms: 'int',
      closed_at_unix_ms: 'int?',
    },
  ],
  [
    'capability_requests',
    ['request_id'],
    {
      request_id: 'text',
      device_id: 'text',
      capability: 'text',
      state: 'text',
      session_epoch: 'int?',
      ledger_id: 'text?',
      input_json: 'text',
      input_sha256: 'text',
      stdin_mode: 'text',
      stdin: 'blob?',
      attached: 'int',
      created_by: 'text',
      created_at_unix_ms: 'int',
      queue_expires_at_unix_ms: 'int?',
      run_timeout_ms: 'int',
      cancel_requested_at_unix_ms: 'int?',
      cancel_requested_by: 'text?',
      dispatched_at_unix_ms: 'int?',
      started_at_unix_ms: 'int?',
      completed_at_unix_ms: 'int?',
      duration_ms: 'int?',
      exit_code: 'int?',
      signal: 'text?',
      error_code: 'text?',
      error_message: 'text?',
      error_hint: 'text?',
      output_json: 'text?',
      stdout_bytes: 'int',
      stderr_bytes: 'int',
      stdout_sha256: 'text?',
      stderr_sha256: 'text?',
      truncated: 'int',
      tree_kill: 'text?',
      receipt_signature: 'blob?',
      parent_id: 'text?',
    },
  ],
  [
    'request_output',
    ['request_id', 'channel'],
    { request_id: 'text', channel: 'text', head: 'blob', tail: 'blob?', tail_offset_bytes: 'int' },
  ],
  [
    'idempotency_keys',
    ['operator_id', 'key'],
    { operator_id: 'text', key: 'text', request_sha256: 'text', resource_id: 'text', created_at_unix_ms: 'int' },
  ],
  [
    'operators',
    ['operator_id'],
    {
      operator_id: 'text',
      name: 'text',
      role: 'text',
      secret_sha256: 'text',
      scopes_json: 'text?',
      created_by: 'text',
      created_at_unix_ms: 'int',
      expires_at_unix_ms: 'int?',
      revoked_at_unix_ms: 'int?',
      last_used_at_unix_ms: 'int?',
    },
  ],
  [
    'audit_rows',
    ['daemon_id', 'seq'],
    {
      daemon_id: 'text',
      seq: 'int',
      at_unix_ms: 'int',
      actor: 'text',
      source: 'text',
      action: 'text',
      subject: 'text',
      device_id: 'text?',
      outcome: 'text',
      details_json: 'text',
      prev_sha256: 'text',
      sha256: 'text',
    },
  ],
  [
    'audit_heads',
    ['daemon_id', 'seq'],
    { daemon_id: 'text', seq: 'int', at_unix_ms: 'int', sha256: 'text', signature: 'blob', key_id: 'text' },
  ],
];

async function createIndices(db: Kysely<unknown>): Promise<void> {
  const unique = (name: string, table: string, ...columns: string[]) =>
    db.schema.createIndex(name).unique().on(table).columns(columns).execute();
  const index = (name: string, table: string, ...columns: string[]) =>
    db.schema.createIndex(name).on(table).columns(columns).execute();
  await unique('devices_by_key', 'devices', 'spki_sha256');
  await index('devices_by_name', 'devices', 'name');
  await unique('certificates_by_csr', 'certificates', 'device_id', 'csr_sha256', 'generation');
  await unique('pairing_codes_by_selector', 'pairing_codes', 'kind', 'selector');
  await unique('pairing_requests_by_session', 'pairing_requests', 'session_id');
  await index('pairing_requests_by_device', 'pairing_requests', 'device_id');
  await index('approvals_by_subject', 'approvals', 'subject_type', 'subject_id');
  await index('requests_by_device', 'capability_requests', 'device_id', 'request_id');
  // Partial: a million finished requests cost the open ones nothing.
  await sql`create index requests_open on capability_requests (device_id, request_id) where completed_at_unix_ms is null`.execute(
    db,
  );
  await sql`create index pairing_requests_open on pairing_requests (expires_at_unix_ms) where state in ('pending_approval', 'approved')`.execute(
    db,
  );
}

export const initial = (dialect: StoreDialect): Migration => ({
  async up(db: Kysely<unknown>) {
    for (const [name, key, columns] of TABLES) await createTable(db, dialect, name, key, columns);
    await createIndices(db);
  },
});
