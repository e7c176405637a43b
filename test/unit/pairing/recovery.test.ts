import assert from 'node:assert/strict';
import { type KeyObject, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import type { FetchedCertificate, RecoveryOrder } from '../../../src/pairing/types.ts';
import { writeCsr } from '../../../src/x509/csr.ts';
import { generateP256, sha256 } from '../../../src/x509/key-pair.ts';
import { signProof } from '../../../src/x509/proof.ts';
import type { Paired } from '../../support/identity-home.ts';
import { APPROVER, CALLER, PairingHome } from '../../support/pairing-home.ts';

const failsWith = (code: string) => (cause: unknown) => cause instanceof PalyraError && cause.code === code;
const DAY = 86_400_000;

async function order(
  home: PairingHome,
  { deviceId, key }: Pick<Paired, 'deviceId' | 'key'>,
  csrDer?: Buffer,
  signer: KeyObject = key,
): Promise<RecoveryOrder> {
  const csr = csrDer ?? (await writeCsr(key));
  const challenge = home.pairing.challenge(deviceId);
  const signature = await signProof(signer, {
    call: 'RecoverDeviceCertificate',
    subject: deviceId,
    challenge,
    caSha256: home.home.identity.caSha256,
    csrSha256: sha256(csr),
  });
  return { deviceId, csrDer: csr, challenge, signature };
}

const printOf = ({ chainDer: [leaf = Buffer.alloc(0)] }: FetchedCertificate): string =>
  new X509Certificate(leaf).fingerprint256;

test('a device whose certificate ran out gets another by its key alone, the same one on the same day', async (t) => {
  const home = await PairingHome.make(t);
  const paired = await home.home.trusted();
  home.home.clock.advance(LIMITS.deviceLeafMs + 10 * DAY);
  const csr = await writeCsr(paired.key);
  const outcome = await home.pairing.recover(await order(home, paired, csr), CALLER);
  assert.ok('certificate' in outcome);
  const print = printOf(outcome.certificate);
  assert.equal(home.home.identity.deviceOf(print)?.trust, 'trusted');
  const again = await home.pairing.recover(await order(home, paired, csr), CALLER);
  assert.ok('certificate' in again && printOf(again.certificate) === print);
  await home.home.identity.certificateUsed(paired.deviceId, print);
  assert.equal(home.home.identity.deviceOf(print)?.certificateState, 'current');
  for (let more = 0; more < 4; more += 1) await home.pairing.recover(await order(home, paired, csr), CALLER);
  await assert.rejects(home.pairing.recover(await order(home, paired, csr), CALLER), failsWith('too_many_requests'));
});

test('beyond the grace an approver decides, and the device stays who it is', async (t) => {
  const home = await PairingHome.make(t);
  const paired = await home.home.trusted('old-box');
  home.home.clock.advance(LIMITS.deviceLeafMs + LIMITS.recoveryGraceMs + DAY);
  const outcome = await home.pairing.recover(await order(home, paired), CALLER);
  assert.ok('requestId' in outcome);
  const again = await home.pairing.recover(await order(home, paired), CALLER);
  assert.deepEqual(again, outcome, 'asking again asks no second time');
  const record = await home.pairing.showRequest('old-box');
  assert.deepEqual([record.deviceId, record.knownKey, record.state], [paired.deviceId, true, 'pending_approval']);
  await home.pairing.approve(outcome.requestId, record.grantableCapabilities, APPROVER, null);
  const challenge = home.pairing.challenge(outcome.requestId);
  const signature = await signProof(paired.key, {
    call: 'FetchDeviceCertificate',
    subject: outcome.requestId,
    challenge,
    caSha256: home.home.identity.caSha256,
    csrSha256: Buffer.alloc(0),
  });
  const fetched = await home.pairing.fetch({ requestId: outcome.requestId, challenge, signature });
  assert.equal(fetched.deviceId, paired.deviceId);
  await home.home.identity.completeEnrolment(paired.deviceId, printOf(fetched));
  assert.equal((await home.pairing.showRequest(outcome.requestId)).state, 'completed');
});

test('row 29: a suspended or revoked device recovers nothing, and nobody is asked', async (t) => {
  const home = await PairingHome.make(t);
  const paired = await home.home.trusted();
  const { identity } = home.home;
  await identity.suspend(paired.deviceId, APPROVER, 'looked at');
  await assert.rejects(home.pairing.recover(await order(home, paired), CALLER), failsWith('device_suspended'));
  await identity.revoke(paired.deviceId, APPROVER, 'stolen');
  home.home.clock.advance(LIMITS.deviceLeafMs + LIMITS.recoveryGraceMs + DAY);
  await assert.rejects(home.pairing.recover(await order(home, paired), CALLER), failsWith('device_revoked'));
  await identity.remove(paired.deviceId, APPROVER, 'gone');
  await assert.rejects(home.pairing.recover(await order(home, paired), CALLER), failsWith('device_removed'));
  assert.deepEqual((await home.pairing.listRequests({}, null, 10)).rows, []);
});

test('row 17: recovery by another key, for another device or with an old challenge is one failure', async (t) => {
  const home = await PairingHome.make(t);
  const [one, two] = [await home.home.trusted('one'), await home.home.trusted('two')];
  const stranger = await generateP256();
  const wrong = [
    await order(home, { deviceId: one.deviceId, key: stranger }),
    await order(home, { deviceId: one.deviceId, key: two.key }),
    await order(home, { deviceId: home.home.newId() as Paired['deviceId'], key: one.key }),
    // The request of the device, signed by somebody else.
    await order(home, one, await writeCsr(one.key), stranger),
    { ...(await order(home, one)), challenge: home.pairing.challenge(two.deviceId) },
    { ...(await order(home, one)), csrDer: await writeCsr(one.key) },
  ];
  const told = new Set<string>();
  for (const attempt of wrong) {
    await home.pairing.recover(attempt, CALLER).then(
      () => assert.fail('it recovered'),
      (cause: PalyraError) => told.add(`${cause.code} ${cause.message}`),
    );
  }
  assert.equal(told.size, 1, [...told].join('; '));
  assert.ok([...told][0]?.startsWith('pairing_proof_invalid'));
});
