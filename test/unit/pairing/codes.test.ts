import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { parseCode } from '../../../src/pake/code.ts';
import { sha256Hex } from '../../../src/x509/key-pair.ts';
import { APPROVER, PairingHome } from '../../support/pairing-home.ts';

const failsWith = (code: string) => (cause: unknown) => cause instanceof PalyraError && cause.code === code;

test('at most 50 PINs live at once, and nothing of them but the verifier is kept', async (t) => {
  const home = await PairingHome.make(t);
  // 48 of them share their hash, which saves the time to make it.
  await home.pins(48);
  const pins = await Promise.all(Array.from({ length: 2 }, () => home.pairing.mintPin({}, APPROVER)));
  await assert.rejects(home.pairing.mintPin({}, APPROVER), failsWith('too_many_codes'));
  const selectors = await home.home.store.reader.selectFrom('pairing_codes').select('selector').execute();
  assert.equal(new Set(selectors.map(({ selector }) => selector)).size, 50, 'each has its own selector');
  assert.match(pins[0]?.pin ?? '', /^\d{4}-\d{3}-\d{3}$/);
  const rows = await home.home.store.reader.selectFrom('pairing_codes').selectAll().execute();
  const kept = JSON.stringify(rows);
  for (const { pin } of pins) {
    const digits = pin.replaceAll('-', '');
    assert.ok(!kept.includes(digits) && !kept.includes(sha256Hex(Buffer.from(digits))));
  }
  const first = await home.pairing.listCodes(null, 30);
  const second = await home.pairing.listCodes(first.nextCursor, 30);
  assert.equal(new Set([...first.rows, ...second.rows].map(({ codeId }) => codeId)).size, 50);
  assert.equal(second.nextCursor, null);
  await home.pairing.revokeCode(pins[0]?.codeId ?? '', APPROVER);
  await assert.rejects(home.pairing.revokeCode(pins[0]?.codeId ?? '', APPROVER), failsWith('not_found'));
  await home.pairing.mintPin({}, APPROVER);
  assert.deepEqual(new Set(await home.home.audited()), new Set(['pairing_code.created', 'pairing_code.revoked']));
  home.home.clock.advance(601_000);
  await home.pairing.mintPin({}, APPROVER);
  const left = await home.home.store.reader.selectFrom('pairing_codes').select('code_id').execute();
  assert.equal(left.length, 1, 'what has expired is deleted');
});

test('a token lets as many machines in as it says, under its ceiling', async (t) => {
  const home = await PairingHome.make(t);
  const order = { maxUses: 2, capabilities: ['echo'], labels: { role: 'web' }, autoApprove: true };
  const code = parseCode((await home.pairing.mintToken(order, APPROVER)).token);
  for (let machine = 0; machine < 2; machine += 1) {
    const completed = await (await home.prover(code)).pair();
    assert.equal(completed.state, 'approved');
    const record = await home.pairing.showRequest(completed.requestId);
    assert.deepEqual(record.grantedCapabilities, ['echo']);
    assert.equal(record.decidedBy, APPROVER.id);
  }
  await assert.rejects((await home.prover(code)).pair(), failsWith('pairing_code_invalid'));
});
