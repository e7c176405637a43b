// Operators, their keys and the audit on both databases.
import assert from 'node:assert/strict';
import { auditRowsAfter, insertAuditRow, lastAuditRow } from '../../../src/store/audit.ts';
import { findIdempotencyKey, insertIdempotencyKey, pruneIdempotencyKeys } from '../../../src/store/idempotency-keys.ts';
import { findOperator, hasActiveAdmin, insertOperator, noteOperatorUse } from '../../../src/store/operators.ts';
import type { AuditRow, OperatorRow } from '../../../src/store/schema.ts';
import { isDuplicateKey } from '../../../src/store/sqlite-failure.ts';
import { onEachEngine } from '../../support/engines.ts';

const operator = (operatorId: string, fields: Partial<OperatorRow> = {}): OperatorRow => ({
  operator_id: operatorId,
  name: operatorId,
  role: 'admin',
  secret_sha256: 'sum',
  scopes_json: null,
  created_by: 'system:bootstrap',
  created_at_unix_ms: 1,
  expires_at_unix_ms: null,
  revoked_at_unix_ms: null,
  last_used_at_unix_ms: null,
  ...fields,
});

onEachEngine('an admin counts while neither revoked nor expired; a use is never noted backwards', async (t, open) => {
  const store = await open(t);
  assert.equal(await hasActiveAdmin(store.reader, 10), false);
  await store.write(async (tx) => {
    await insertOperator(tx, operator('gone', { revoked_at_unix_ms: 5 }));
    await insertOperator(tx, operator('late', { expires_at_unix_ms: 10 }));
    await insertOperator(tx, operator('viewer', { role: 'viewer' }));
  });
  assert.equal(await hasActiveAdmin(store.reader, 9), true);
  assert.equal(await hasActiveAdmin(store.reader, 10), false);
  for (const at of [20, 30, 25]) await store.write((tx) => noteOperatorUse(tx, 'viewer', at));
  assert.equal((await findOperator(store.reader, 'viewer'))?.last_used_at_unix_ms, 30);
});

onEachEngine('a key is used once by an operator, and old ones go', async (t, open) => {
  const store = await open(t);
  const key = (operator_id: string, created_at_unix_ms: number, name = 'k') =>
    store.write((tx) =>
      insertIdempotencyKey(tx, { operator_id, key: name, request_sha256: 's', resource_id: 'r', created_at_unix_ms }),
    );
  await key('a', 1);
  await key('b', 2);
  assert.ok(isDuplicateKey(await key('a', 3).catch((cause: unknown) => cause)));
  await key('a', 4, 'other');
  assert.equal(await store.write((tx) => pruneIdempotencyKeys(tx, 4, 1)), 1);
  assert.equal(await store.write((tx) => pruneIdempotencyKeys(tx, 4, 9)), 1);
  const left = await store.write(async (tx) => [
    await findIdempotencyKey(tx, 'a', 'k'),
    await findIdempotencyKey(tx, 'b', 'k'),
    (await findIdempotencyKey(tx, 'a', 'other'))?.resource_id,
  ]);
  assert.deepEqual(left, [undefined, undefined, 'r']);
});

onEachEngine('a chain of the audit has one row of each number, and is read in its order', async (t, open) => {
  const store = await open(t);
  const row = (daemon_id: string, seq: number): AuditRow => ({
    daemon_id,
    seq,
    at_unix_ms: seq,
    actor: 'operator:a',
    source: 'unix',
    action: 'request.accepted',
    subject: 'r',
    device_id: null,
    outcome: 'accepted',
    details_json: '{"a":"\\u0000"}',
    prev_sha256: '',
    sha256: `${daemon_id}-${seq}`,
  });
  const add = (daemon: string, seq: number) => store.write((tx) => insertAuditRow(tx, row(daemon, seq)));
  for (const seq of [1, 2, 10, 9]) await add('d1', seq);
  await add('d2', 1);
  assert.ok(isDuplicateKey(await add('d1', 2).catch((cause: unknown) => cause)));
  assert.deepEqual({ ...(await lastAuditRow(store.reader, 'd1')) }, { seq: 10, sha256: 'd1-10' });
  assert.equal(await lastAuditRow(store.reader, 'd3'), undefined);
  const read = await auditRowsAfter(store.reader, 'd1', 1, 2);
  assert.deepEqual(
    read.map(({ seq }) => seq),
    [2, 9],
  );
  assert.deepEqual({ ...read[0] }, row('d1', 2));
});
