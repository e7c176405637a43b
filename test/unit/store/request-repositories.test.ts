// Capability requests, pairing codes and pairing requests on both databases.
import assert from 'node:assert/strict';
import type { DeviceId, RequestId } from '../../../src/kernel/ids.ts';
import {
  assignRequest,
  findRequest,
  finishRequest,
  insertRequest,
  listRequests,
  noteCancelWish,
  noteRequestState,
  openRequests,
  type RequestEnding,
} from '../../../src/store/capability-requests.ts';
import {
  chargeFakeTry,
  chargeTry,
  consumePairingCode,
  deleteExpiredPairingCodes,
  deletePairingCode,
  insertPairingCode,
  livePairingCode,
  livePairingCodes,
  livePinSelectors,
  pairingCodeBySelector,
} from '../../../src/store/pairing-codes.ts';
import {
  approvedRequestOfCertificate,
  duePairingRequests,
  insertPairingRequest,
  listPairingRequests,
  movePairingRequest,
  nextPairingExpiry,
  notePairingCertificate,
  openPairingRequestsByKey,
  openPairingRequestsByName,
  pairingRequestById,
  pairingRequestBySession,
  pairingRequestsByPrefix,
} from '../../../src/store/pairing-requests.ts';
import { insertOutput, outputOf } from '../../../src/store/request-output.ts';
import { isDuplicateKey } from '../../../src/store/sqlite-failure.ts';
import { onEachEngine } from '../../support/engines.ts';
import { DEVICE, newCode, newPairingRequest, newRequest } from '../../support/store-rows.ts';

const id = (at: number) => `01BX5ZZKBKACTAV9WEVGEMMV${String(at).padStart(2, '0')}` as RequestId;
const OTHER = '01ARZ3NDEKTSV4RRFFQ69G5FAW' as DeviceId;
const ending: RequestEnding = {
  state: 'succeeded',
  completed_at_unix_ms: 9,
  started_at_unix_ms: 5,
  duration_ms: 4,
  exit_code: 0,
  signal: null,
  error_code: null,
  error_message: 'a\0b',
  error_hint: null,
  output_json: '{}',
  stdout_bytes: 5_000_000_000,
  stderr_bytes: 0,
  stdout_sha256: 'sum',
  stderr_sha256: null,
  truncated: 1,
  tree_kill: 'cgroup',
  receipt_signature: Buffer.from([0, 255]),
};

onEachEngine('a request is handed over, runs and ends once, on the device it is for', async (t, open) => {
  const store = await open(t);
  const stdin = Buffer.from([0, 1, 255]);
  await store.write((tx) => insertRequest(tx, newRequest(id(1), { stdin, attached: 1 })));
  assert.deepEqual((await findRequest(store.reader, id(1)))?.stdin, stdin);
  assert.equal(await store.write((tx) => assignRequest(tx, id(1), { epoch: 2, ledgerId: 'l' }, 3)), true);
  assert.equal(await store.write((tx) => assignRequest(tx, id(1), { epoch: 3, ledgerId: 'l' }, 4)), true);
  await store.write((tx) => noteRequestState(tx, id(1), 'running', 5));
  assert.equal(await store.write((tx) => noteCancelWish(tx, id(1), 'operator:a', 6)), true);
  const running = await findRequest(store.reader, id(1));
  assert.deepEqual([running?.session_epoch, running?.dispatched_at_unix_ms, running?.state], [3, 3, 'running']);
  assert.equal(await store.write((tx) => finishRequest(tx, id(1), OTHER, ending)), false);
  const twice = [1, 2].map(() => store.write((tx) => finishRequest(tx, id(1), DEVICE, ending)));
  assert.deepEqual(await Promise.all(twice), [true, false]);
  await store.write((tx) => noteRequestState(tx, id(1), 'running', 5));
  assert.equal(await store.write((tx) => assignRequest(tx, id(1), { epoch: 4, ledgerId: 'l' }, 4)), false);
  assert.equal(await store.write((tx) => noteCancelWish(tx, id(1), 'operator:a', 6)), false);
  const done = await findRequest(store.reader, id(1));
  assert.deepEqual(
    [done?.state, done?.stdin, done?.stdout_bytes, done?.error_message],
    ['succeeded', null, 5e9, 'a\uFFFDb'],
  );
  assert.deepEqual(done?.receipt_signature, ending.receipt_signature);
});

onEachEngine('requests are listed by what is asked, newest first, and the open ones oldest first', async (t, open) => {
  const store = await open(t);
  await store.write(async (tx) => {
    for (let at = 0; at < 6; at += 1) {
      await insertRequest(
        tx,
        newRequest(id(at), { device_id: at % 2 === 0 ? DEVICE : OTHER, created_by: `operator:${at % 3}` }),
      );
    }
    await finishRequest(tx, id(4), DEVICE, ending);
  });
  const ids = (rows: readonly { request_id: RequestId }[]) =>
    rows.map(({ request_id }) => Number(request_id.slice(-2)));
  const list = async (query: Parameters<typeof listRequests>[1], before: RequestId | null = null) =>
    ids(await listRequests(store.reader, query, before, 3));
  assert.deepEqual(await list({}), [5, 4, 3]);
  assert.deepEqual(await list({}, id(3)), [2, 1, 0]);
  assert.deepEqual(await list({ deviceId: DEVICE }), [4, 2, 0]);
  assert.deepEqual(await list({ states: ['succeeded', 'failed'] }), [4]);
  assert.deepEqual(await list({ createdBy: 'operator:0', capability: 'shell.execute' }), [3, 0]);
  assert.deepEqual(ids(await openRequests(store.reader, null, 3)), [0, 1, 2]);
  assert.deepEqual(ids(await openRequests(store.reader, id(2), 3)), [3, 5]);
});

onEachEngine('output is kept byte by byte', async (t, open) => {
  const store = await open(t);
  const head = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
  await store.write(async (tx) => {
    await insertOutput(tx, { request_id: id(1), channel: 'stdout', head, tail: null, tail_offset_bytes: 0 });
    await insertOutput(tx, {
      request_id: id(1),
      channel: 'stderr',
      head,
      tail: Buffer.alloc(0),
      tail_offset_bytes: 2 ** 40,
    });
  });
  const [stderr, stdout] = (await outputOf(store.reader, id(1))).toSorted((a) => (a.channel === 'stderr' ? -1 : 1));
  assert.deepEqual([stdout?.head, stdout?.tail], [head, null]);
  assert.deepEqual([stderr?.tail, stderr?.tail_offset_bytes], [Buffer.alloc(0), 2 ** 40]);
});

onEachEngine('a code lives by its tries, its uses and its time', async (t, open) => {
  const store = await open(t);
  await store.write(async (tx) => {
    await insertPairingCode(tx, newCode('a', { tries_left: 2, expires_at_unix_ms: 100 }));
    await insertPairingCode(tx, newCode('b', { uses_left: 2, kind: 'token', expires_at_unix_ms: 50 }));
  });
  const twin = store.write((tx) => insertPairingCode(tx, newCode('c', { selector: 'a' })));
  assert.ok(isDuplicateKey(await twin.catch((cause: unknown) => cause)));
  assert.deepEqual(await livePinSelectors(store.reader, 99), ['a']);
  assert.deepEqual(
    (await livePairingCodes(store.reader, 49, null, 9)).map(({ code_id }) => code_id),
    ['b', 'a'],
  );
  assert.deepEqual(
    (await livePairingCodes(store.reader, 49, 'b', 9)).map(({ code_id }) => code_id),
    ['a'],
  );
  const found = await pairingCodeBySelector(store.reader, 'pin', 'a', 99);
  assert.deepEqual([found?.w0, found?.l.length, found?.kdf_log_n], [Buffer.alloc(32, 2), 65, 14]);
  assert.equal(await pairingCodeBySelector(store.reader, 'pin', 'a', 100), undefined);
  const tries = [1, 2, 3].map(() => store.write((tx) => chargeTry(tx, 'a', 10, 20)));
  assert.deepEqual(await Promise.all(tries), [{ triesLeft: 1 }, { triesLeft: 0 }, undefined]);
  assert.equal(await livePairingCode(store.reader, 'a', 20), undefined);
  const uses = [1, 2, 3].map(() => store.write((tx) => consumePairingCode(tx, 'b', 10)));
  assert.deepEqual(await Promise.all(uses), [true, true, false]);
  assert.equal(await livePairingCode(store.reader, 'b', 10), undefined);
  for (const now of [1, 2]) await store.write((tx) => chargeFakeTry(tx, now));
  assert.equal(await store.write((tx) => deleteExpiredPairingCodes(tx, 20)), 1);
  assert.equal(await store.write((tx) => deletePairingCode(tx, 'a')), false);
});

onEachEngine('a pairing request moves only from where it is, and its certificate is noted once', async (t, open) => {
  const store = await open(t);
  await store.write(async (tx) => {
    for (const [at, state] of (['pending_approval', 'approved', 'rejected'] as const).entries()) {
      await insertPairingRequest(tx, newPairingRequest(`R${at}`, { state, expires_at_unix_ms: 100 - at }));
    }
  });
  const again = store.write((tx) => insertPairingRequest(tx, newPairingRequest('R9', { session_id: 'session-R0' })));
  assert.ok(isDuplicateKey(await again.catch((cause: unknown) => cause)));
  const ids = (rows: readonly { request_id: string }[]) => rows.map(({ request_id }) => request_id).sort();
  assert.deepEqual(ids(await openPairingRequestsByName(store.reader, 'web-1', 9)), ['R0', 'R1']);
  assert.deepEqual(ids(await openPairingRequestsByKey(store.reader, 'key')), ['R0', 'R1']);
  assert.deepEqual(ids(await pairingRequestsByPrefix(store.reader, 'R', 2)), ['R0', 'R1']);
  assert.deepEqual(ids(await listPairingRequests(store.reader, { state: 'rejected' }, null, 9)), ['R2']);
  assert.deepEqual(ids(await listPairingRequests(store.reader, {}, 'R2', 1)), ['R1']);
  assert.deepEqual(ids(await duePairingRequests(store.reader, 99, 9)), ['R1']);
  assert.equal(await nextPairingExpiry(store.reader), 99);
  const move = () =>
    store.write((tx) => movePairingRequest(tx, 'R0', 'pending_approval', 'approved', { decided_by: 'operator:a' }));
  assert.deepEqual(await Promise.all([move(), move()]), [true, false]);
  const note = (fingerprint: string) => store.write((tx) => notePairingCertificate(tx, 'R0', fingerprint));
  assert.deepEqual(await Promise.all([note('f'), note('g')]), [true, false]);
  assert.equal((await approvedRequestOfCertificate(store.reader, DEVICE, 'f'))?.request_id, 'R0');
  assert.equal(await approvedRequestOfCertificate(store.reader, OTHER, 'f'), undefined);
  assert.equal((await pairingRequestBySession(store.reader, 'session-R0'))?.decided_by, 'operator:a');
  assert.deepEqual((await pairingRequestById(store.reader, 'R0'))?.csr_der, Buffer.from('csr'));
});
