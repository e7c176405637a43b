import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { endEnrolment } from '../../../src/identity/end-enrolment.ts';
import type { CertifiedDevice } from '../../../src/identity/types.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';
import type { DeviceId } from '../../../src/kernel/ids.ts';
import type { DeviceTrustPort } from '../../../src/operator/ports.ts';
import type { IdentityPort } from '../../../src/rpc/ports.ts';
import { certificatesOf, insertCertificate, revokeCertificate } from '../../../src/store/certificates.ts';
import { insertDevice, moveTrust, noteGeneration } from '../../../src/store/devices.ts';
import type { CertificateRow, Trust } from '../../../src/store/schema.ts';
import { isDuplicateKey } from '../../../src/store/sqlite-failure.ts';
import { writeCsr } from '../../../src/x509/csr.ts';
import { generateP256, spkiOf, spkiSha256 } from '../../../src/x509/key-pair.ts';
import { signKeyChange } from '../../../src/x509/proof.ts';
import { csrOf } from '../../support/hostile-csr.ts';
import { IdentityHome, newDevice, OPERATOR, type Paired } from '../../support/identity-home.ts';

const MINUTE = 60_000;
const SOON = 5 * MINUTE;

const order = (csrDer: Buffer, newKeyProof: Buffer | null = null) => ({ csrDer, reason: 'test', newKeyProof });
const fingerprintOf = ({ chainDer }: { readonly chainDer: readonly Buffer[] }): string =>
  new X509Certificate(chainDer[0] as Buffer).fingerprint256;
const statesOf = async (home: IdentityHome, deviceId: DeviceId): Promise<string[]> =>
  (await certificatesOf(home.store.reader, deviceId)).map(({ state }) => state);
const refused = (code: string) => (error: unknown) => error instanceof PalyraError && error.code === code;

/** Rotates with the same key and uses the new certificate; gives its fingerprint. */
async function renew(home: IdentityHome, { deviceId, key }: Paired, current: string): Promise<string> {
  const next = fingerprintOf(await home.identity.rotate(deviceId, current, order(await writeCsr(key))));
  await home.identity.certificateUsed(deviceId, next);
  return next;
}

test('row 25: a certificate of our CA that is not in the map is nobody, before and after a restart', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, key, row } = await home.trusted();
  const stray = await home.identity.signDeviceCertificate(spkiOf(key), deviceId);
  assert.equal(new X509Certificate(stray.der).verify(home.identity.caCertificate.publicKey), true);
  assert.equal(home.identity.deviceOf(stray.fingerprint), undefined);
  await home.store.write((tx) => tx.deleteFrom('certificates').where('fingerprint', '=', row.fingerprint).execute());
  await home.restart();
  assert.equal(home.identity.deviceOf(row.fingerprint), undefined);
  for (const name of ['constructor', '__proto__', '', row.fingerprint.toLowerCase()]) {
    assert.equal(home.identity.deviceOf(name), undefined);
  }
});

test('the map says who a certificate is, the same after a restart', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, row } = await home.enrolling();
  const expected: CertifiedDevice = {
    deviceId,
    trust: 'enrolling',
    generation: 1,
    certificateState: 'issued',
    notAfterUnixMs: row.not_after_unix_ms,
  };
  assert.deepEqual(home.identity.deviceOf(row.fingerprint), expected);
  assert.equal(
    home.identity.renewAfter(row.fingerprint),
    home.identity.renewAfterUnixMs(row.not_before_unix_ms, row.not_after_unix_ms),
  );
  assert.throws(() => home.identity.renewAfter('unknown'), refused('certificate_unknown'));
  await home.restart();
  assert.deepEqual(home.identity.deviceOf(row.fingerprint), expected);
});

test('a start reads all certificates by pages, and none that ended or whose device was removed', async (t) => {
  const home = await IdentityHome.make(t);
  const trusts: Trust[] = ['enrolling', 'trusted', 'suspended', 'revoked', 'removed'];
  const expected = new Map<string, Trust>();
  await home.store.write(async (tx) => {
    for (let at = 0; at < 2_500; at += 1) {
      const deviceId = home.newId() as DeviceId;
      const trust = trusts[at % trusts.length] as Trust;
      await insertDevice(tx, newDevice(deviceId, `n${at}`, String(at), home.clock.now(), trust));
      for (const state of ['current', 'revoked'] as const) {
        const hash = createHash('sha256').update(`${at} ${state}`).digest('hex');
        const row: CertificateRow = {
          fingerprint: hash,
          device_id: deviceId,
          serial: hash,
          generation: state === 'current' ? 2 : 1,
          state,
          csr_sha256: hash,
          certificate_der: Buffer.of(1),
          not_before_unix_ms: home.clock.now(),
          not_after_unix_ms: home.clock.now() + MINUTE,
          issued_at_unix_ms: home.clock.now(),
          first_used_at_unix_ms: null,
          superseded_at_unix_ms: null,
        };
        await insertCertificate(tx, row);
        if (state === 'current' && trust !== 'removed') expected.set(hash, trust);
      }
    }
  });
  await home.restart();
  assert.equal(expected.size, 2_000);
  for (const [fingerprint, trust] of expected) assert.equal(home.identity.deviceOf(fingerprint)?.trust, trust);
  const all = await home.store.reader.selectFrom('certificates').select('fingerprint').execute();
  const known = all.filter(({ fingerprint }) => home.identity.deviceOf(fingerprint) !== undefined);
  assert.equal(known.length, expected.size);
});

test('registering makes an enrolling device trusted, once', async (t) => {
  const home = await IdentityHome.make(t);
  const told: string[] = [];
  home.identity.onTrustChange((deviceId, trust) => told.push(`${deviceId} ${trust}`));
  const { deviceId, row } = await home.enrolling();
  home.clock.advance(MINUTE);
  const fates = await Promise.all(
    Array.from({ length: 20 }, () => home.identity.completeEnrolment(deviceId, row.fingerprint)),
  );
  assert.equal(fates.filter((enrolled) => enrolled).length, 1);
  assert.equal(await home.identity.completeEnrolment(deviceId, row.fingerprint), false);
  const device = await home.device(deviceId);
  assert.equal(device.trust, 'trusted');
  assert.equal(device.paired_at_unix_ms, home.clock.now());
  const known = home.identity.deviceOf(row.fingerprint);
  assert.deepEqual([known?.trust, known?.certificateState], ['trusted', 'current']);
  assert.deepEqual(told, [`${deviceId} trusted`]);
  assert.deepEqual(await home.audited(), ['device.enrolled']);
});

test('the pairing request is closed in the same transaction, or nothing happens', async (t) => {
  let fail = true;
  const closed: string[] = [];
  const onEnrolled = async (_tx: unknown, deviceId: DeviceId, _now: number, fingerprint: string): Promise<void> => {
    if (fail) throw new Error('on purpose');
    closed.push(`${deviceId} ${fingerprint}`);
  };
  const home = await IdentityHome.make(t, { onEnrolled });
  const { deviceId, row } = await home.enrolling();
  await assert.rejects(home.identity.completeEnrolment(deviceId, row.fingerprint), /on purpose/);
  assert.equal((await home.device(deviceId)).trust, 'enrolling');
  assert.deepEqual(await statesOf(home, deviceId), ['issued']);
  assert.equal(home.identity.deviceOf(row.fingerprint)?.trust, 'enrolling');
  assert.deepEqual(await home.audited(), []);
  fail = false;
  assert.equal(await home.identity.completeEnrolment(deviceId, row.fingerprint), true);
  assert.deepEqual(closed, [`${deviceId} ${row.fingerprint}`]);
});

test('a certificate that ended, of another device, or of a cut-off device enrols nobody', async (t) => {
  const home = await IdentityHome.make(t);
  const [first, second] = [await home.enrolling('a'), await home.enrolling('b')];
  const enrol = (device: Paired, { row }: Paired) => home.identity.completeEnrolment(device.deviceId, row.fingerprint);
  await assert.rejects(enrol(first, second), refused('certificate_unknown'));
  await home.store.write((tx) => revokeCertificate(tx, first.row.fingerprint));
  await assert.rejects(enrol(first, first), refused('certificate_unknown'));
  for (const trust of ['revoked', 'removed'] as const) {
    await home.store.write((tx) => moveTrust(tx, second.deviceId, ['enrolling', 'revoked'], trust, 'x', 1));
    await assert.rejects(enrol(second, second), refused(`device_${trust}`));
  }
  assert.deepEqual(await statesOf(home, second.deviceId), ['issued']);
});

test('a withdrawn pairing ends its certificate, and a device that never registered', async (t) => {
  const home = await IdentityHome.make(t);
  const withdraw = async (deviceId: DeviceId, fingerprint: string): Promise<boolean> => {
    const gone = await home.store.write((tx) => endEnrolment(tx, deviceId, fingerprint, 'withdrawn', home.clock.now()));
    home.identity.forget([fingerprint]);
    return gone;
  };
  const fresh = await home.enrolling('a');
  assert.equal(await withdraw(fresh.deviceId, fresh.row.fingerprint), true);
  assert.equal((await home.device(fresh.deviceId)).trust, 'removed');
  const enrol = home.identity.completeEnrolment(fresh.deviceId, fresh.row.fingerprint);
  await assert.rejects(enrol, refused('device_removed'));
  await home.enrolling('a again', fresh.key);

  const paired = await home.trusted('b');
  const again = await home.pairedAgain(paired);
  assert.equal(await withdraw(paired.deviceId, again.fingerprint), false);
  assert.equal((await home.device(paired.deviceId)).trust, 'trusted');
  assert.equal(home.identity.deviceOf(again.fingerprint), undefined);
  assert.equal(home.identity.deviceOf(paired.row.fingerprint)?.trust, 'trusted');
  await home.restart();
  assert.equal(home.identity.deviceOf(again.fingerprint), undefined);
});

test('a device that pairs again with its key keeps its id; its older certificates end in a while', async (t) => {
  const closed: string[] = [];
  const onEnrolled = async (_tx: unknown, _id: DeviceId, _now: number, fingerprint: string): Promise<void> => {
    closed.push(fingerprint);
  };
  const home = await IdentityHome.make(t, { onEnrolled });
  const paired = await home.trusted();
  const again = await home.pairedAgain(paired);
  assert.equal(await home.identity.completeEnrolment(paired.deviceId, again.fingerprint), false);
  assert.deepEqual(closed, [paired.row.fingerprint, again.fingerprint]);
  assert.deepEqual(await statesOf(home, paired.deviceId), ['current', 'superseded']);
  assert.equal(home.identity.deviceOf(paired.row.fingerprint)?.notAfterUnixMs, home.clock.now() + SOON);
});

test('W19 the same CSR gives the same certificate: again, at once, after a restart, and after its use', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, key, row } = await home.trusted();
  const csr = await writeCsr(key);
  const rotate = () => home.identity.rotate(deviceId, row.fingerprint, order(csr));
  const answers = await Promise.all(Array.from({ length: 100 }, rotate));
  const [fingerprint, ...others] = new Set(answers.map(fingerprintOf));
  assert.deepEqual(others, []);
  assert.equal((await certificatesOf(home.store.reader, deviceId)).length, 2);
  assert.equal((await home.device(deviceId)).generation, 2);
  await home.restart();
  assert.equal(fingerprintOf(await rotate()), fingerprint);
  await home.identity.certificateUsed(deviceId, fingerprint as string);
  assert.equal(fingerprintOf(await rotate()), fingerprint);
  // Whoever holds that certificate and asks with the same request wants the next one.
  const next = await home.identity.rotate(deviceId, fingerprint as string, order(csr));
  assert.notEqual(fingerprintOf(next), fingerprint);
  assert.equal((await home.device(deviceId)).generation, 3);
});

test('a rotation answers with chain, bundle, end and the time to renew', async (t) => {
  const home = await IdentityHome.make(t, { deviceLeafMs: 3 * MINUTE });
  const { deviceId, key, row } = await home.trusted();
  home.clock.advance(2 * MINUTE);
  const answer = await home.identity.rotate(deviceId, row.fingerprint, order(await writeCsr(key)));
  const ca = home.identity.caCertificate;
  const [leaf, issuer] = answer.chainDer.map((der) => new X509Certificate(der));
  assert.equal(issuer?.fingerprint256, ca.fingerprint256);
  assert.equal(leaf?.verify(ca.publicKey), true);
  assert.deepEqual(answer.bundleDer, [ca.raw]);
  assert.equal(answer.notAfterUnixMs, home.clock.now() + 3 * MINUTE);
  assert.equal(answer.renewAfterUnixMs, home.clock.now() + 2 * MINUTE);
});

test('the old certificate stays good until the new one is used, and five minutes more', async (t) => {
  const home = await IdentityHome.make(t);
  const paired = await home.trusted();
  const { deviceId, key, row } = paired;
  const next = fingerprintOf(await home.identity.rotate(deviceId, row.fingerprint, order(await writeCsr(key))));
  assert.equal(home.identity.deviceOf(row.fingerprint)?.notAfterUnixMs, row.not_after_unix_ms);
  assert.equal(home.identity.deviceOf(next)?.certificateState, 'issued');
  home.clock.advance(MINUTE);
  await Promise.all(Array.from({ length: 20 }, () => home.identity.certificateUsed(deviceId, next)));
  const used = home.clock.now();
  const seen = () => {
    const [old, now] = [home.identity.deviceOf(row.fingerprint), home.identity.deviceOf(next)];
    return [old?.certificateState, old?.notAfterUnixMs, now?.certificateState, now?.generation];
  };
  assert.deepEqual(seen(), ['superseded', used + SOON, 'current', 2]);
  home.clock.advance(MINUTE);
  await home.restart();
  assert.deepEqual(seen(), ['superseded', used + SOON, 'current', 2]);
  const [current] = await certificatesOf(home.store.reader, deviceId);
  assert.equal(current?.first_used_at_unix_ms, used);
  home.clock.advance(SOON);
  await home.restart();
  assert.equal(home.identity.deviceOf(row.fingerprint), undefined);
});

test('using an older certificate again moves nothing: the newest stays the current one', async (t) => {
  const home = await IdentityHome.make(t);
  const paired = await home.trusted();
  const next = await renew(home, paired, paired.row.fingerprint);
  await home.identity.certificateUsed(paired.deviceId, paired.row.fingerprint);
  assert.equal(await home.identity.completeEnrolment(paired.deviceId, paired.row.fingerprint), false);
  assert.deepEqual(await statesOf(home, paired.deviceId), ['current', 'superseded']);
  assert.equal(home.identity.deviceOf(next)?.certificateState, 'current');
});

test('a certificate that waited while a newer one came into use is not brought back by its first use', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, key, row } = await home.trusted();
  const ask = async () =>
    fingerprintOf(await home.identity.rotate(deviceId, row.fingerprint, order(await writeCsr(key))));
  const [second, third] = [await ask(), await ask()];
  await home.identity.certificateUsed(deviceId, third);
  await home.identity.certificateUsed(deviceId, second);
  assert.deepEqual(await statesOf(home, deviceId), ['current', 'superseded', 'superseded']);
  assert.equal(home.identity.deviceOf(second)?.notAfterUnixMs, home.clock.now() + SOON);
});

test('a newer certificate that waits is untouched when an older one is used first', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, key, row } = await home.trusted();
  const ask = async () =>
    fingerprintOf(await home.identity.rotate(deviceId, row.fingerprint, order(await writeCsr(key))));
  const [second, third] = [await ask(), await ask()];
  const before = home.identity.deviceOf(third);
  await home.identity.certificateUsed(deviceId, second);
  assert.deepEqual(home.identity.deviceOf(third), before);
  assert.deepEqual(await statesOf(home, deviceId), ['issued', 'current', 'superseded']);
  await home.identity.certificateUsed(deviceId, third);
  assert.equal(home.identity.deviceOf(second)?.certificateState, 'superseded');
});

test('asking again and again fills neither table nor map', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, key, row } = await home.trusted();
  const given: string[] = [];
  for (let round = 0; round < 12; round += 1) {
    given.push(fingerprintOf(await home.identity.rotate(deviceId, row.fingerprint, order(await writeCsr(key)))));
  }
  assert.deepEqual(await statesOf(home, deviceId), ['issued', 'issued', 'issued', 'issued', 'current']);
  const known = given.map((fingerprint) => home.identity.deviceOf(fingerprint) !== undefined);
  assert.deepEqual(known, [...Array.from({ length: 8 }, () => false), true, true, true, true]);
});

test('certificates that ended long ago are forgotten', async (t) => {
  const home = await IdentityHome.make(t);
  const paired = await home.trusted();
  let current = paired.row.fingerprint;
  for (let round = 0; round < 10; round += 1) {
    home.clock.advance(20 * 86_400_000);
    current = await renew(home, paired, current);
  }
  // 90 days of grace and 30 of life, one every 20 days.
  assert.equal((await certificatesOf(home.store.reader, paired.deviceId)).length, 7);
});

test('W8 a device id never goes to another key without the signature of the old one', async (t) => {
  const home = await IdentityHome.make(t);
  const [paired, stranger] = [await home.trusted(), await generateP256()];
  const csr = await writeCsr(stranger);
  const change = {
    deviceId: paired.deviceId as string,
    caSha256: home.identity.caSha256 as Uint8Array,
    newSpki: spkiOf(stranger),
  };
  const proofs = [
    null,
    Buffer.alloc(72),
    await signKeyChange(stranger, change),
    await signKeyChange(paired.key, { ...change, deviceId: home.newId() }),
    await signKeyChange(paired.key, { ...change, newSpki: spkiOf(paired.key) }),
    await signKeyChange(paired.key, { ...change, caSha256: Buffer.alloc(32) }),
  ];
  for (const proof of proofs) {
    const attempt = home.identity.rotate(paired.deviceId, paired.row.fingerprint, order(csr, proof));
    await assert.rejects(attempt, refused('device_mismatch'));
  }
  assert.equal((await home.device(paired.deviceId)).generation, 1);
});

test('with it, the first use of the new key ends all of the old one at once', async (t) => {
  const home = await IdentityHome.make(t);
  const paired = await home.trusted();
  const { deviceId, row } = paired;
  const next = await generateP256();
  const change = { deviceId, caSha256: home.identity.caSha256, newSpki: spkiOf(next) };
  const proof = await signKeyChange(paired.key, change);
  const issued = fingerprintOf(
    await home.identity.rotate(deviceId, row.fingerprint, order(await writeCsr(next), proof)),
  );
  assert.equal((await home.device(deviceId)).spki_sha256, spkiSha256(paired.key));
  assert.notEqual(home.identity.deviceOf(row.fingerprint), undefined);
  await home.identity.completeEnrolment(deviceId, issued);
  assert.equal((await home.device(deviceId)).spki_sha256, spkiSha256(next));
  assert.equal(home.identity.deviceOf(row.fingerprint), undefined);
  assert.deepEqual(await statesOf(home, deviceId), ['current', 'revoked']);
  const back = home.identity.rotate(deviceId, issued, order(await writeCsr(paired.key)));
  await assert.rejects(back, refused('device_mismatch'));
});

test('a new key that is the key of another device is refused, also when it became one meanwhile', async (t) => {
  const home = await IdentityHome.make(t);
  const [paired, other] = [await home.trusted('a'), await home.trusted('b')];
  const { deviceId, row } = paired;
  const ask = async (key: Paired['key']) => {
    const change = { deviceId, caSha256: home.identity.caSha256, newSpki: spkiOf(key) };
    const proof = await signKeyChange(paired.key, change);
    return home.identity.rotate(deviceId, row.fingerprint, order(await writeCsr(key), proof));
  };
  await assert.rejects(ask(other.key), refused('conflict'));
  const free = await generateP256();
  const issued = fingerprintOf(await ask(free));
  await home.enrolling('c', free);
  await assert.rejects(home.identity.certificateUsed(deviceId, issued), refused('conflict'));
  assert.equal((await home.device(deviceId)).spki_sha256, spkiSha256(paired.key));
  assert.equal(home.identity.deviceOf(row.fingerprint)?.certificateState, 'current');
});

test('W6 the daemon never holds the key of a device: its home has two private keys, its own', async (t) => {
  const home = await IdentityHome.make(t);
  const paired = await home.trusted();
  await renew(home, paired, paired.row.fingerprint);
  const secret = Buffer.from(paired.key.export({ format: 'jwk' }).d as string, 'base64url');
  await home.close();
  const files = readdirSync(home.folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const withKeys = files.filter((path) => readFileSync(path).includes('PRIVATE KEY'));
  assert.deepEqual(withKeys.map((path) => basename(path)).sort(), ['ca-key.pem', 'daemon.pem']);
  for (const path of files) {
    const content = readFileSync(path);
    for (const form of [secret, secret.toString('hex'), secret.toString('base64url')]) {
      assert.equal(content.includes(form), false, path);
    }
  }
});

test('row 13: a rotation copies only the key of its CSR', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, key, row } = await home.trusted();
  const { subjectAltNames } = await import('../../../src/x509/extensions.ts');
  const { oid, sequence, set } = await import('../../../src/x509/der.ts');
  const wanted = sequence(subjectAltNames([], [`palyra://device/${home.newId()}`]));
  const csr = await csrOf({ key, attributes: [sequence(oid('1.2.840.113549.1.9.14'), set(wanted))] });
  const answer = await home.identity.rotate(deviceId, row.fingerprint, order(csr));
  const leaf = new X509Certificate(answer.chainDer[0] as Buffer);
  assert.equal(leaf.subjectAltName, `URI:palyra://device/${deviceId}`);
});

test('row 16: a rotation with a CSR that its key did not sign is refused', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, key, row } = await home.trusted();
  const csr = await csrOf({ key: await generateP256(), spki: spkiOf(key) });
  await assert.rejects(home.identity.rotate(deviceId, row.fingerprint, order(csr)), refused('csr_invalid'));
});

test('a device that is not trusted gets no certificate, also when it was cut off during the call', async (t) => {
  const home = await IdentityHome.make(t);
  const enrolling = await home.enrolling('a');
  const ask = async ({ deviceId, key, row }: Paired) =>
    home.identity.rotate(deviceId, row.fingerprint, order(await writeCsr(key)));
  await assert.rejects(ask(enrolling), refused('device_not_registered'));
  const paired = await home.trusted('b');
  const { deviceId, key, row } = paired;
  const csr = await writeCsr(key);
  const revoked = home.identity.revoke(deviceId, OPERATOR, 'lost');
  await assert.rejects(home.identity.rotate(deviceId, row.fingerprint, order(csr)), refused('device_revoked'));
  await revoked;
  assert.equal((await certificatesOf(home.store.reader, deviceId)).length, 1);
});

test('a certificate that was issued before a revocation is not given out after it', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, key, row } = await home.trusted();
  const csr = await writeCsr(key);
  const issued = fingerprintOf(await home.identity.rotate(deviceId, row.fingerprint, order(csr)));
  await home.identity.suspend(deviceId, OPERATOR, 'lost');
  await assert.rejects(home.identity.rotate(deviceId, row.fingerprint, order(csr)), refused('device_suspended'));
  assert.equal(home.identity.deviceOf(issued)?.trust, 'suspended');
});

test('row 24: nobody rotates with the certificate of another device', async (t) => {
  const home = await IdentityHome.make(t);
  const [first, second] = [await home.trusted('a'), await home.trusted('b')];
  const csr = await writeCsr(first.key);
  await assert.rejects(
    home.identity.rotate(first.deviceId, second.row.fingerprint, order(csr)),
    refused('device_mismatch'),
  );
  await assert.rejects(home.identity.rotate(first.deviceId, 'unknown', order(csr)), refused('certificate_unknown'));
});

test('the manager is what the node port and the operator edge ask for', async (t) => {
  const home = await IdentityHome.make(t);
  const node: IdentityPort = home.identity;
  const operator: DeviceTrustPort = home.identity;
  assert.deepEqual(node.bundle(), { der: [home.identity.caCertificate.raw], sequence: 1 });
  assert.equal(typeof operator.revoke, 'function');
});

test('duplicates are refused: one device per key, one row per certificate, one certificate per generation and CSR', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, key, row } = await home.trusted();
  const twin = newDevice(home.newId() as DeviceId, 'twin', spkiSha256(key), home.clock.now());
  await assert.rejects(
    home.store.write((tx) => insertDevice(tx, twin)),
    isDuplicateKey,
  );
  await assert.rejects(
    home.store.write((tx) => insertCertificate(tx, row)),
    isDuplicateKey,
  );
  const same = { ...row, fingerprint: 'other' };
  await assert.rejects(
    home.store.write((tx) => insertCertificate(tx, same)),
    isDuplicateKey,
  );
  assert.equal(await home.store.write((tx) => noteGeneration(tx, deviceId, 0)), false);
  assert.equal(await home.store.write((tx) => noteGeneration(tx, deviceId, 1)), true);
});
