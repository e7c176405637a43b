import assert from 'node:assert/strict';
import { type KeyObject, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { deviceIdOf, factsOf, isDaemonCa, readCertificate, renewAfterUnixMs } from '../../../src/x509/certificate.ts';
import { decode, encode, partsOf } from '../../../src/x509/der.ts';
import { type Issuer, issueCa, issueDaemonLeaf, issueDeviceLeaf } from '../../../src/x509/issue.ts';
import { generateP256, privateKeyPem, spkiOf, spkiSha256 } from '../../../src/x509/key-pair.ts';
import { ca8Of, DAEMON_NAME, daemonNameUnder } from '../../../src/x509/names.ts';
import { openssl, skipWithoutOpenssl } from '../../support/openssl.ts';

const folder = mkdtempSync(join(tmpdir(), 'palyra-x509-'));
after(() => rmSync(folder, { recursive: true }));

const DEVICE = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const DAEMON = '01BX5ZZKBKACTAV9WEVGEMMVRZ';
const DAY = 86_400_000;

interface Fleet {
  readonly ca: Issuer;
  readonly daemon: X509Certificate;
  readonly daemonKey: KeyObject;
  readonly device: X509Certificate;
  readonly deviceKey: KeyObject;
}

async function fleet(nowUnixMs = Date.now()): Promise<Fleet> {
  const [key, daemonKey, deviceKey] = await Promise.all([generateP256(), generateP256(), generateP256()]);
  const ca = { key, certificate: new X509Certificate(await issueCa(key, { nowUnixMs, lifetimeMs: 3650 * DAY })) };
  const daemon = await issueDaemonLeaf(ca, spkiOf(daemonKey), DAEMON, { nowUnixMs, lifetimeMs: 90 * DAY });
  const device = await issueDeviceLeaf(ca, spkiOf(deviceKey), DEVICE, { nowUnixMs, lifetimeMs: 30 * DAY });
  return { ca, daemonKey, deviceKey, daemon: new X509Certificate(daemon), device: new X509Certificate(device) };
}

const save = (name: string, certificate: X509Certificate): string => {
  const path = join(folder, name);
  writeFileSync(path, certificate.toString());
  return path;
};

test('OpenSSL accepts each certificate for its one purpose and for no other', {
  skip: skipWithoutOpenssl,
}, async () => {
  const { ca, daemon, device } = await fleet();
  const [caPath, daemonPath, devicePath] = [
    save('ca.pem', ca.certificate),
    save('d.pem', daemon),
    save('n.pem', device),
  ];
  const verify = (purpose: string, path: string): string =>
    openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', caPath, path);
  assert.match(openssl('verify', '-x509_strict', '-CAfile', caPath, caPath), /OK/);
  assert.match(verify('sslserver', daemonPath), /OK/);
  assert.match(verify('sslclient', devicePath), /OK/);
  assert.throws(() => verify('sslclient', daemonPath), /purpose/);
  assert.throws(() => verify('sslserver', devicePath), /purpose/);
});

test('a leaf cannot issue: OpenSSL refuses what it signs', { skip: skipWithoutOpenssl }, async () => {
  const { ca, device, deviceKey } = await fleet();
  const fromLeaf = { key: deviceKey, certificate: device };
  const stolen = await issueDeviceLeaf(fromLeaf, spkiOf(await generateP256()), DEVICE, {
    nowUnixMs: Date.now(),
    lifetimeMs: DAY,
  });
  const [caPath, between, path] = [
    save('ca2.pem', ca.certificate),
    save('between.pem', device),
    save('stolen.pem', new X509Certificate(stolen)),
  ];
  assert.throws(() => openssl('verify', '-CAfile', caPath, '-untrusted', between, path), /invalid CA|key usage/i);
});

test('names, times and serials are those of the profile', async () => {
  const now = Date.UTC(2026, 10, 25, 12, 0, 0, 700);
  const { ca, daemon, device } = await fleet(now);
  const ca8 = ca8Of(spkiSha256(ca.certificate.publicKey));
  assert.equal(ca.certificate.subject, `CN=Palyra CA ${ca8}`);
  assert.equal(daemon.issuer, ca.certificate.subject);
  assert.equal(daemon.subjectAltName, `DNS:${DAEMON_NAME}, DNS:${daemonNameUnder(ca8)}, URI:palyra://daemon/${DAEMON}`);
  assert.equal(device.subjectAltName, `URI:palyra://device/${DEVICE}`);
  assert.equal(deviceIdOf(device), DEVICE);
  assert.equal(deviceIdOf(daemon), undefined);
  assert.deepEqual([ca.certificate.ca, daemon.ca, device.ca], [true, false, false]);
  assert.deepEqual(device.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  assert.deepEqual(daemon.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  const { notBeforeUnixMs, notAfterUnixMs, serial } = factsOf(device);
  assert.equal(notBeforeUnixMs, Date.UTC(2026, 10, 25, 11, 45));
  assert.equal(notAfterUnixMs, Date.UTC(2026, 11, 25, 12));
  assert.match(serial, /^[4-7][0-9A-F]{31}$/);
  assert.equal(isDaemonCa(ca.certificate), true);
  assert.equal(isDaemonCa(device), false);
});

test('renewal is due after two thirds of the life that follows the back-dating, also of a life of minutes', () => {
  const start = 1_800_000_000_000;
  assert.equal(renewAfterUnixMs(start - LIMITS.backdateMs, start + 30 * DAY), start + 20 * DAY);
  assert.equal(renewAfterUnixMs(start - LIMITS.backdateMs, start + 60_000), start + 40_000);
});

test('times beyond 2049 are written as RFC 5280 wants them', { skip: skipWithoutOpenssl }, async () => {
  const key = await generateP256();
  const nowUnixMs = Date.UTC(2045, 0, 1);
  const certificate = new X509Certificate(await issueCa(key, { nowUnixMs, lifetimeMs: 3650 * DAY }));
  assert.equal(certificate.validToDate.getTime(), nowUnixMs + 3650 * DAY);
  const [from, to] = partsOf(partsOf(partsOf(decode(certificate.raw))?.[0])?.[4]) ?? [];
  assert.deepEqual([from?.type, to?.type], [23, 24]);
  const at = String(nowUnixMs / 1000 + 60);
  assert.match(
    openssl(
      'verify',
      '-x509_strict',
      '-attime',
      at,
      '-CAfile',
      save('late.pem', certificate),
      save('late.pem', certificate),
    ),
    /OK/,
  );
});

test('no certificate outlives its CA', async () => {
  const nowUnixMs = Date.UTC(2030, 0, 1);
  const key = await generateP256();
  const ca = { key, certificate: new X509Certificate(await issueCa(key, { nowUnixMs, lifetimeMs: DAY })) };
  const leaf = await issueDeviceLeaf(ca, spkiOf(await generateP256()), DEVICE, { nowUnixMs, lifetimeMs: 30 * DAY });
  assert.equal(new X509Certificate(leaf).validToDate.getTime(), nowUnixMs + DAY);
});

test('what is written is strict DER: read and written again it is the same', async () => {
  const { ca, daemon, device } = await fleet();
  for (const { raw } of [ca.certificate, daemon, device]) assert.deepEqual(encode(decode(raw)), raw);
});

test('a foreign certificate that is too large or none is refused', () => {
  assert.throws(() => readCertificate(Buffer.alloc(LIMITS.certificateBytes + 1)), { code: 'invalid_argument' });
  assert.throws(() => readCertificate(Buffer.from('30820000', 'hex')), { code: 'invalid_argument' });
});

test('daemon and device meet over TLS 1.3, each proving itself to the other', async (t) => {
  const { ca, daemon, daemonKey, device, deviceKey } = await fleet();
  const caPem = ca.certificate.toString();
  const server = createServer({
    ca: caPem,
    cert: `${daemon.toString()}${caPem}`,
    key: privateKeyPem(daemonKey),
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: true,
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const arrived = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    servername: DAEMON_NAME,
    ca: caPem,
    cert: device.toString(),
    key: privateKeyPem(deviceKey),
  });
  t.after(() => client.destroy());
  await once(client, 'secureConnect');
  const [seen] = await arrived;
  t.after(() => seen.destroy());
  assert.equal(client.authorized, true);
  assert.equal(seen.authorized, true);
  assert.equal(seen.getPeerCertificate().fingerprint256, device.fingerprint256);
});
