import assert from 'node:assert/strict';
import { randomBytes, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { PalyraError } from '../../../src/kernel/errors.ts';
import type { PairingPort } from '../../../src/operator/ports.ts';
import type { RequestStatus } from '../../../src/pairing/types.ts';
import { parseCode } from '../../../src/pake/code.ts';
import type { PairingState } from '../../../src/store/schema.ts';
import { deviceIdOf } from '../../../src/x509/certificate.ts';
import { generateP256, spkiOf } from '../../../src/x509/key-pair.ts';
import { APPROVER, CLAIMS, PairingHome } from '../../support/pairing-home.ts';

const failsWith = (code: string) => (cause: unknown) => cause instanceof PalyraError && cause.code === code;

const never = (): never => assert.fail('this was not to come');

const HOUR = 3_600_000;

test('an approved machine gets one certificate, and its first use completes the request', async (t) => {
  const home = await PairingHome.make(t);
  // What operators use of it is the port of their edge.
  const port: PairingPort = home.pairing;
  assert.ok(port);
  const { prover, completed } = await home.requested();
  const { requestId } = completed;
  const pending = await prover.proof('FetchDeviceCertificate', requestId);
  await assert.rejects(home.pairing.fetch(pending), failsWith('conflict'));
  const approved = await home.pairing.approve(requestId, ['echo'], APPROVER, 'it is mine');
  assert.deepEqual(approved.grantedCapabilities, ['echo']);
  const fetched = await home.pairing.fetch(await prover.proof('FetchDeviceCertificate', requestId));
  const [leaf] = fetched.chainDer.map((der) => new X509Certificate(der));
  assert.ok(leaf);
  assert.equal(deviceIdOf(leaf), completed.deviceId);
  assert.ok(spkiOf(leaf.publicKey).equals(spkiOf(prover.key)));
  assert.ok(leaf.verify(home.home.identity.caCertificate.publicKey));
  assert.equal(home.home.identity.deviceOf(leaf.fingerprint256)?.trust, 'enrolling');
  assert.equal((await home.pairing.showRequest(requestId)).state, 'approved');
  assert.equal(await home.home.identity.completeEnrolment(completed.deviceId, leaf.fingerprint256), true);
  assert.equal((await home.pairing.showRequest(requestId)).state, 'completed');
  assert.equal((await home.home.device(completed.deviceId)).trust, 'trusted');
  assert.equal((await home.home.device(completed.deviceId)).granted_json, '["echo"]');
  const late = await prover.proof('FetchDeviceCertificate', requestId);
  await assert.rejects(home.pairing.fetch(late), failsWith('pairing_request_closed'));
  assert.deepEqual(await home.home.audited(), [
    'pairing.requested',
    'pairing.approved',
    'certificate.issued',
    'pairing.completed',
    'device.enrolled',
  ]);
});

test('row 8: what was recorded of one request says nothing about another, and again only the same', async (t) => {
  const home = await PairingHome.make(t);
  const first = await home.requested();
  const second = await home.requested();
  for (const { completed } of [first, second]) await home.pairing.approve(completed.requestId, [], APPROVER, null);
  const recorded = await first.prover.proof('FetchDeviceCertificate', first.completed.requestId);
  const once = await home.pairing.fetch(recorded);
  const again = await home.pairing.fetch(recorded);
  assert.deepEqual(again, once, 'within its time a replay is the same answer');
  const elsewhere = { ...recorded, requestId: second.completed.requestId };
  await assert.rejects(home.pairing.fetch(elsewhere), failsWith('pairing_proof_invalid'));
  await assert.rejects(home.pairing.status(recorded), failsWith('pairing_proof_invalid'), 'bound to the call');
  home.home.clock.advance(61_000);
  await assert.rejects(home.pairing.fetch(recorded), failsWith('pairing_proof_invalid'));
  await assert.rejects(first.prover.exchangeAnyhow(), failsWith('pairing_session_not_found'));
});

test('row 17: W7: a right id with a wrong key is as unknown as an unknown id', async (t) => {
  const home = await PairingHome.make(t);
  const { prover, completed } = await home.requested();
  await home.pairing.approve(completed.requestId, [], APPROVER, null);
  const stranger = await generateP256();
  const unknown = home.home.newId();
  const told: string[] = [];
  for (const [requestId, key] of [
    [completed.requestId, stranger],
    [unknown, prover.key],
    [unknown, stranger],
  ] as const) {
    for (const call of ['FetchDeviceCertificate', 'GetPairingRequestStatus', 'WatchPairingRequest'] as const) {
      const proof = await prover.proof(call, requestId, key);
      const asked = {
        FetchDeviceCertificate: () => home.pairing.fetch(proof),
        GetPairingRequestStatus: () => home.pairing.status(proof),
        WatchPairingRequest: () => home.pairing.watch(proof, never, never),
      };
      await (asked[call]() as Promise<unknown>).then(never, (cause: PalyraError) =>
        told.push(`${cause.code} ${cause.message}`),
      );
    }
  }
  assert.equal(new Set(told).size, 1, [...new Set(told)].join('; '));
  assert.match(told[0] ?? '', /^pairing_proof_invalid/);
  const forged = await prover.proof('GetPairingRequestStatus', completed.requestId);
  await assert.rejects(home.pairing.status({ ...forged, challenge: randomBytes(48) }));
});

test('row 18: W13: 100 fetches at once are one certificate', async (t) => {
  const home = await PairingHome.make(t);
  const { prover, completed } = await home.requested();
  await home.pairing.approve(completed.requestId, [], APPROVER, null);
  const proofs = await Promise.all(
    Array.from({ length: 100 }, () => prover.proof('FetchDeviceCertificate', completed.requestId)),
  );
  const fetched = await Promise.all(proofs.map((proof) => home.pairing.fetch(proof)));
  const prints = new Set(fetched.map(({ chainDer: [leaf] }) => leaf && new X509Certificate(leaf).fingerprint256));
  assert.equal(prints.size, 1);
  const rows = await home.home.store.reader.selectFrom('certificates').select('fingerprint').execute();
  assert.deepEqual(
    rows.map(({ fingerprint }) => fingerprint),
    [...prints],
  );
});

test('a decision is pushed to whoever watches, also the one that time makes', async (t) => {
  const home = await PairingHome.make(t);
  const watched = async (act: (requestId: string) => Promise<unknown>): Promise<RequestStatus[]> => {
    const { prover, completed } = await home.requested();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const told: RequestStatus[] = [];
    const tell = (status: RequestStatus): void => {
      told.push(status);
      if (status.state !== 'pending_approval') resolve();
    };
    const proof = await prover.proof('WatchPairingRequest', completed.requestId);
    const stop = await home.pairing.watch(proof, tell, reject);
    await act(completed.requestId);
    await promise;
    stop();
    return told;
  };
  const states = (told: RequestStatus[]): PairingState[] => told.map(({ state }) => state);
  const approve = (id: string) => home.pairing.approve(id, [], APPROVER, null);
  assert.deepEqual(states(await watched(approve)), ['pending_approval', 'approved']);
  const rejected = await watched((id) => home.pairing.reject(id, APPROVER, 'not ours'));
  assert.deepEqual(states(rejected), ['pending_approval', 'rejected']);
  assert.equal(rejected.at(-1)?.reason, 'not ours');
  const expired = await watched(async () => home.home.clock.advance(HOUR + 1));
  assert.deepEqual(states(expired), ['pending_approval', 'expired'], 'by the timer: nobody read it');
});

test('a certificate that nobody used ends with its request', async (t) => {
  const home = await PairingHome.make(t);
  const enrolling = async () => {
    const { prover, completed } = await home.requested();
    await home.pairing.approve(completed.requestId, [], APPROVER, null);
    const { chainDer } = await home.pairing.fetch(await prover.proof('FetchDeviceCertificate', completed.requestId));
    const print = new X509Certificate(chainDer[0] ?? Buffer.alloc(0)).fingerprint256;
    assert.equal(home.home.identity.deviceOf(print)?.trust, 'enrolling');
    return { prover, completed, print };
  };
  const withdrawn = await enrolling();
  await home.pairing.withdraw(withdrawn.completed.requestId, APPROVER, 'on second thought');
  assert.equal(home.home.identity.deviceOf(withdrawn.print), undefined);
  const { deviceId } = withdrawn.completed;
  await assert.rejects(home.home.identity.completeEnrolment(deviceId, withdrawn.print), failsWith('device_removed'));

  const forgotten = await enrolling();
  home.home.clock.advance(24 * HOUR + 1);
  assert.equal((await home.pairing.showRequest(forgotten.completed.requestId)).state, 'expired');
  assert.equal(home.home.identity.deviceOf(forgotten.print), undefined);
  assert.equal((await home.home.device(forgotten.completed.deviceId)).trust, 'removed');

  // The key is free again.
  const again = await home.prover(await home.pin(), { key: forgotten.prover.key });
  const completed = await again.pair();
  assert.notEqual(completed.deviceId, forgotten.completed.deviceId);
  await home.pairing.approve(completed.requestId, [], APPROVER, null);
  const { deviceId: next } = await home.pairing.fetch(await again.proof('FetchDeviceCertificate', completed.requestId));
  assert.equal(next, completed.deviceId);
});

test('W8 a known key keeps its device, and one that was shut out stays out', async (t) => {
  const home = await PairingHome.make(t);
  const paired = await home.home.trusted('web-1');
  const again = await home.prover(await home.pin(), { key: paired.key, claims: { ...CLAIMS, name: 'other' } });
  const completed = await again.pair();
  assert.equal(completed.deviceId, paired.deviceId);
  assert.equal((await home.pairing.showRequest(completed.requestId)).knownKey, true);
  await home.pairing.approve(completed.requestId, ['echo', 'shell.execute'], APPROVER, null);
  assert.equal((await home.home.device(paired.deviceId)).granted_json, '[]', 'not before the key was proven');
  const fetched = await home.pairing.fetch(await again.proof('FetchDeviceCertificate', completed.requestId));
  const print = new X509Certificate(fetched.chainDer[0] ?? Buffer.alloc(0)).fingerprint256;
  assert.equal(home.home.identity.deviceOf(print)?.trust, 'trusted');
  await home.home.identity.completeEnrolment(paired.deviceId, print);
  assert.equal((await home.pairing.showRequest(completed.requestId)).state, 'completed');
  const device = await home.home.device(paired.deviceId);
  assert.equal(device.name, 'web-1');
  assert.equal(device.granted_json, '["echo","shell.execute"]');

  await home.home.identity.revoke(paired.deviceId, APPROVER, 'stolen');
  const code = await home.pin();
  await assert.rejects((await home.prover(code, { key: paired.key })).pair(), failsWith('device_revoked'));
  assert.equal((await (await home.prover(code)).pair()).state, 'pending_approval', 'the code was not used up by it');
});

test('of two requests of one machine the newer counts', async (t) => {
  const home = await PairingHome.make(t);
  const key = await generateP256();
  const first = await home.requested({ key });
  const second = await home.requested({ key });
  assert.equal((await home.pairing.showRequest(first.completed.requestId)).state, 'expired');
  await home.pairing.approve(second.completed.requestId, [], APPROVER, null);
  const old = await home.pairing.fetch(await second.prover.proof('FetchDeviceCertificate', second.completed.requestId));
  // Fetched, never used, and asked for once more: the key moves on to the newer request with its proof.
  const third = await home.requested({ key });
  assert.equal((await home.pairing.showRequest(second.completed.requestId)).state, 'approved');
  await home.pairing.approve(third.completed.requestId, [], APPROVER, null);
  const fresh = await home.pairing.fetch(await third.prover.proof('FetchDeviceCertificate', third.completed.requestId));
  assert.notEqual(fresh.deviceId, old.deviceId);
  assert.equal((await home.pairing.showRequest(second.completed.requestId)).state, 'expired');
  const print = new X509Certificate(old.chainDer[0] ?? Buffer.alloc(0)).fingerprint256;
  assert.equal(home.home.identity.deviceOf(print), undefined);
});

test('requests are found by id, by a prefix of it, and by name while that is clear', async (t) => {
  const home = await PairingHome.make(t);
  const { completed } = await home.requested();
  const { requestId } = completed;
  assert.equal((await home.pairing.showRequest('web-1')).requestId, requestId);
  assert.equal((await home.pairing.showRequest(requestId.toLowerCase())).requestId, requestId);
  assert.equal((await home.pairing.showRequest(requestId.slice(0, 25))).requestId, requestId);
  await home.requested();
  await assert.rejects(home.pairing.showRequest('web-1'), failsWith('ambiguous_name'));
  await assert.rejects(home.pairing.showRequest('nobody'), failsWith('pairing_request_not_found'));
  const page = await home.pairing.listRequests({ state: 'pending_approval' }, null, 1);
  assert.notEqual(page.nextCursor, null);
  const rest = await home.pairing.listRequests({ state: 'pending_approval' }, page.nextCursor, 1);
  assert.deepEqual([rest.rows[0]?.requestId, rest.nextCursor], [requestId, null]);
  await assert.rejects(
    home.pairing.approve(requestId, ['filesystem.read'], APPROVER, null),
    failsWith('invalid_argument'),
  );
});

test('row 4: PINs of one source are limited, tokens and other sources go on', async (t) => {
  const home = await PairingHome.make(t, {});
  const code = await home.pin();
  for (let n = 0; n < 10; n += 1) await (await home.prover(code)).begin();
  const eleventh = await home.prover(code);
  await assert.rejects(eleventh.begin(), (cause) => {
    assert.ok(failsWith('too_many_requests')(cause));
    assert.ok(Number((cause as PalyraError).details?.['retry_after_ms']) > 50_000);
    return true;
  });
  await (await home.prover(code, { caller: { address: '192.0.2.8', source: '192.0.2.8' } })).begin();
  const token = parseCode((await home.pairing.mintToken({ maxUses: 5 }, APPROVER)).token);
  await (await home.prover(token)).begin();
  home.home.clock.advance(61_000);
  await eleventh.begin();
});
