// The record of who did what: one chain, written with the act or not at all, in which no change stays unseen.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { AuditLog } from '../../../src/audit/audit-log.ts';
import type { AuditRow } from '../../../src/store/schema.ts';
import { onEachEngine } from '../../support/engines.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { START } from '../../support/identity-home.ts';

const ENTRY = { actor: 'operator:a', source: 'unix', action: 'request.accepted', subject: 'r', outcome: 'queued' };

/**
 * The first row that does not follow from the one before. The rule stands here once more on purpose: a check that shared
 * the code of the writer would share its mistakes.
 */
function firstBreak(rows: readonly AuditRow[]): number | undefined {
  let before = '0'.repeat(64);
  for (const [at, row] of rows.entries()) {
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
    const hash = createHash('sha256').update(JSON.stringify(fields)).digest('hex');
    if (row.prev_sha256 !== before || row.sha256 !== hash || row.seq !== at + 1) return row.seq;
    before = row.sha256;
  }
  return undefined;
}

onEachEngine('rows of one turn, of many turns and after a restart make one chain', async (t, open) => {
  const store = await open(t);
  const clock = new FakeClock(START);
  const read = (): Promise<AuditRow[]> => store.reader.selectFrom('audit_rows').selectAll().orderBy('seq').execute();
  let log = new AuditLog({ daemonId: 'd1', clock });
  const write = (subject: string): Promise<void> => store.write((tx) => log.append(tx, { ...ENTRY, subject }));
  await Promise.all(Array.from({ length: 50 }, (_, at) => write(`turn-${at}`)));
  for (let at = 0; at < 5; at += 1) await write(`later-${at}`);
  log = new AuditLog({ daemonId: 'd1', clock });
  await write('after a restart');
  const rows = await read();
  assert.equal(rows.length, 56);
  assert.equal(firstBreak(rows), undefined);

  // What fails leaves no row, and its neighbours their chain.
  const results = await Promise.allSettled([
    write('good'),
    store.write(async (tx) => {
      await log.append(tx, { ...ENTRY, subject: 'of an act that failed' });
      throw new Error('the act failed');
    }),
    write('good too'),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  const after = await read();
  assert.deepEqual(
    after.slice(56).map(({ subject }) => subject),
    ['good', 'good too'],
  );
  assert.equal(firstBreak(after), undefined);
});

onEachEngine('row 62: a row that was changed, removed, swapped or put in is found', async (t, open) => {
  const store = await open(t);
  const log = new AuditLog({ daemonId: 'd1', clock: new FakeClock(START) });
  for (let at = 0; at < 6; at += 1) {
    await store.write((tx) => log.append(tx, { ...ENTRY, subject: `r${at}`, details: { exit_code: at } }));
  }
  const rows = await store.reader.selectFrom('audit_rows').selectAll().orderBy('seq').execute();
  assert.equal(firstBreak(rows), undefined);
  for (const field of ['at_unix_ms', 'actor', 'source', 'action', 'subject', 'outcome', 'details_json'] as const) {
    const forged = rows.map((row, at) => (at === 2 ? { ...row, [field]: field === 'at_unix_ms' ? 1 : 'forged' } : row));
    assert.equal(firstBreak(forged), 3, field);
  }
  assert.equal(firstBreak(rows.filter((_, at) => at !== 2)), 4, 'removed');
  const [one, two] = [rows[2], rows[3]] as [AuditRow, AuditRow];
  assert.equal(firstBreak([...rows.slice(0, 2), two, one, ...rows.slice(4)]), 4, 'swapped');
  assert.equal(firstBreak([...rows.slice(0, 3), one, ...rows.slice(3)]), 3, 'put in');
});
