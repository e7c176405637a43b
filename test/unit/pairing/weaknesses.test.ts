// What the design pages list as weaknesses to avoid, each attacked under its number; others stand with the threat rows.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { makePin } from '../../../src/pake/pin.ts';
import { PairingDaemon } from '../../support/pairing-daemon.ts';
import { APPROVER, PairingHome } from '../../support/pairing-home.ts';
import { PairingMachine } from '../../support/pairing-machine.ts';

const failsWith = (code: string) => (cause: unknown) => cause instanceof PalyraError && cause.code === code;

test('W3 a dead code answers the right PIN as it does a wrong one, however often it is asked', async (t) => {
  const home = await PairingHome.make(t);
  const code = await home.pin();
  let wrong = makePin(code.selector).code;
  while (wrong === code.code) wrong = makePin(code.selector).code;
  for (let guess = 0; guess < LIMITS.pairingCodeTries; guess += 1) {
    await assert.rejects((await home.prover({ ...code, code: wrong })).pair(), failsWith('pairing_code_invalid'));
  }
  const told = new Set<string>();
  for (let guess = 0; guess < 8; guess += 1) {
    const prover = await home.prover(guess % 2 === 0 ? code : { ...code, code: wrong });
    await prover.pair().then(
      () => assert.fail('it paired'),
      (cause: PalyraError) => told.add(`${cause.code} ${cause.message}`),
    );
  }
  assert.equal(told.size, 1, [...told].join('; '));
});

test('W4 a PIN that was made and used is in no file and no list', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const machine = new PairingMachine(t, daemon.schema);
  const pin = await daemon.pin();
  const unused = await daemon.pin();
  const listed = JSON.stringify(await daemon.pairing.listCodes(null, 10));
  const paired = machine.pair(pin, daemon.address);
  await machine.waiting;
  const found: string[] = [];
  let files = 0;
  for (const folder of [daemon.home, machine.home]) {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      files += 1;
      const bytes = readFileSync(join(entry.parentPath, entry.name));
      for (const text of [pin, unused].flatMap((shown) => [shown, shown.replaceAll('-', '')])) {
        if (bytes.includes(text) || listed.includes(text)) found.push(entry.name);
      }
    }
  }
  assert.deepEqual(found, []);
  assert.ok(files >= 7, `${files} files, database and log among them`);
  await daemon.approveNext();
  await paired;
});

test('W11 a request lives for itself, not as long as its code', async (t) => {
  const home = await PairingHome.make(t);
  const prover = await home.prover(await home.pin());
  await prover.begin();
  home.home.clock.advance(LIMITS.pairingSessionMs - 1_000);
  await prover.exchange();
  const { requestId } = await prover.complete();
  home.home.clock.advance(LIMITS.pairingCodeMs * 3);
  assert.equal((await home.pairing.listCodes(null, 1)).rows.length, 0);
  assert.equal((await home.pairing.approve(requestId, [], APPROVER, null)).state, 'approved');
  home.home.clock.advance(LIMITS.pairingApprovedMs - 1_000);
  await home.pairing.fetch(await prover.proof('FetchDeviceCertificate', requestId));
});

test('W14 request, approval and code change together or not at all', async (t) => {
  const home = await PairingHome.make(t);
  const prover = await home.prover(await home.pin());
  await prover.exchange();
  home.failAt = 'pairing.requested';
  await assert.rejects(prover.complete(), /the disk failed/);
  const { reader } = home.home.store;
  const rows = async () => ({
    codes: (await reader.selectFrom('pairing_codes').selectAll().execute()).length,
    requests: (await reader.selectFrom('pairing_requests').selectAll().execute()).map(({ state }) => state),
    approvals: (await reader.selectFrom('approvals').selectAll().execute()).map(({ state }) => state),
    devices: (await reader.selectFrom('devices').selectAll().execute()).length,
    certificates: (await reader.selectFrom('certificates').selectAll().execute()).length,
  });
  const nothing = { requests: [], approvals: [], devices: 0, certificates: 0 };
  assert.deepEqual(await rows(), { ...nothing, codes: 1 });
  home.failAt = undefined;
  const { requestId } = await prover.complete();
  const pending = { ...nothing, codes: 0, requests: ['pending_approval'], approvals: ['pending'] };
  assert.deepEqual(await rows(), pending);

  home.failAt = 'pairing.approved';
  await assert.rejects(home.pairing.approve(requestId, [], APPROVER, null), /the disk failed/);
  assert.deepEqual(await rows(), pending);
  home.failAt = undefined;
  await home.pairing.approve(requestId, [], APPROVER, null);
  const approved = { ...pending, requests: ['approved'], approvals: ['approved'] };
  assert.deepEqual(await rows(), approved);

  home.failAt = 'certificate.issued';
  const proof = await prover.proof('FetchDeviceCertificate', requestId);
  await assert.rejects(home.pairing.fetch(proof), /the disk failed/);
  assert.deepEqual(await rows(), approved);
  home.failAt = undefined;
  await home.pairing.fetch(proof);
  assert.deepEqual(await rows(), { ...approved, devices: 1, certificates: 1 });
});
