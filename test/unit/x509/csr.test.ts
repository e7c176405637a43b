import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { commonName } from '../../../src/x509/common-name.ts';
import { readCsr, writeCsr } from '../../../src/x509/csr.ts';
import {
  bits,
  type Der,
  decode,
  encode,
  octets,
  oid,
  partsOf,
  sequence,
  set,
  smallInteger,
  tagged,
} from '../../../src/x509/der.ts';
import { basicConstraints, caKeyUsage, subjectAltNames } from '../../../src/x509/extensions.ts';
import { issueCa, issueDeviceLeaf } from '../../../src/x509/issue.ts';
import { generateP256, sha256Hex, signSha256, spkiOf } from '../../../src/x509/key-pair.ts';
import { csrOf } from '../../support/hostile-csr.ts';
import { openssl, skipWithoutOpenssl } from '../../support/openssl.ts';

const folder = mkdtempSync(join(tmpdir(), 'palyra-csr-'));
after(() => rmSync(folder, { recursive: true }));
const DEVICE = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const OTHER = '01BX5ZZKBKACTAV9WEVGEMMVRZ';

/** The least of three runs, ms: the machine may be busy with something else. */
function leastMs(run: () => void): number {
  const times = [1, 2, 3].map(() => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return Math.min(...times);
}

test('our own certificate request says its key and nothing else', { skip: skipWithoutOpenssl }, async () => {
  const key = await generateP256();
  const csr = await writeCsr(key);
  const read = readCsr(csr);
  assert.deepEqual(read.spki, spkiOf(key));
  assert.equal(read.spkiSha256, sha256Hex(spkiOf(key)));
  assert.equal(read.csrSha256, sha256Hex(csr));
  const path = join(folder, 'own.csr');
  writeFileSync(path, csr);
  assert.match(openssl('req', '-inform', 'der', '-in', path, '-noout', '-verify', '-subject'), /palyra-node/);
});

test('row 13: a CSR with another SAN, CA:TRUE and extensions gives a certificate of our profile alone', async () => {
  const key = await generateP256();
  const wanted = sequence(
    basicConstraints(true),
    caKeyUsage(),
    subjectAltNames(['daemon.palyra.internal'], [`palyra://device/${OTHER}`]),
    sequence(oid('2.16.840.1.113730.1.1'), octets(encode(bits(Buffer.of(0xff))))),
  );
  const csr = await csrOf({
    key,
    subject: commonName(`palyra://device/${OTHER}`),
    attributes: [sequence(oid('1.2.840.113549.1.9.14'), set(wanted))],
  });
  const { spki } = readCsr(csr);
  const caKey = await generateP256();
  const lifetime = { nowUnixMs: Date.now(), lifetimeMs: 86_400_000 };
  const ca = { key: caKey, certificate: new X509Certificate(await issueCa(caKey, lifetime)) };
  const certificate = new X509Certificate(await issueDeviceLeaf(ca, spki, DEVICE, lifetime));
  assert.deepEqual(spkiOf(certificate.publicKey), spkiOf(key));
  assert.equal(certificate.subject, `CN=palyra://device/${DEVICE}`);
  assert.equal(certificate.subjectAltName, `URI:palyra://device/${DEVICE}`);
  assert.equal(certificate.ca, false);
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  assert.equal(certificate.raw.includes(Buffer.from(OTHER)), false);
  const tagged3 = partsOf(partsOf(decode(certificate.raw))?.[0])?.[7];
  const extensions = partsOf((tagged3 as Der).value[0] as Der) ?? [];
  const ids = extensions.map((extension) => encode(partsOf(extension)?.[0] as Der).toString('hex'));
  const profile = ['2.5.29.19', '2.5.29.15', '2.5.29.37', '2.5.29.17', '2.5.29.14', '2.5.29.35'];
  assert.deepEqual(
    ids,
    profile.map((id) => encode(oid(id)).toString('hex')),
  );
});

test('row 15: keys of other kinds are refused as such, and quickly', async () => {
  const signer = await generateP256();
  const rsa = (bytes: number): Buffer => {
    const n = Buffer.alloc(bytes, 0xb7).toString('base64url');
    return createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' }).export({
      type: 'spki',
      format: 'der',
    });
  };
  const pair = (curve: string): Buffer => spkiOf(generateKeyPairSync('ec', { namedCurve: curve }).publicKey);
  const good = spkiOf(signer);
  const offCurve = Buffer.from(good);
  offCurve[90] = (offCurve[90] as number) ^ 1;
  const point = good.subarray(26);
  const header = partsOf(partsOf(decode(good))?.[0]) as readonly Der[];
  const withPoint = (bytes: Uint8Array): Buffer => encode(sequence(sequence(...header), bits(bytes)));
  const compressed = withPoint(Buffer.concat([Buffer.of(2 + ((point[64] as number) & 1)), point.subarray(1, 33)]));
  const hybrid = withPoint(Buffer.concat([Buffer.of(6 + ((point[64] as number) & 1)), point.subarray(1)]));
  const spkis: Record<string, Buffer> = {
    'RSA-16384': rsa(2048),
    'RSA-8192': rsa(1024),
    'RSA-2048': rsa(256),
    'P-521': pair('P-521'),
    'P-384': pair('P-384'),
    secp256k1: pair('secp256k1'),
    Ed25519: spkiOf(generateKeyPairSync('ed25519').publicKey),
    X25519: spkiOf(generateKeyPairSync('x25519').publicKey),
    'point off the curve': offCurve,
    'compressed point': compressed,
    'hybrid point': hybrid,
    'point at infinity': withPoint(Buffer.of(0)),
    'no point': withPoint(Buffer.alloc(0)),
    'zero point': withPoint(Buffer.concat([Buffer.of(4), Buffer.alloc(64)])),
    'key of nothing': encode(sequence()),
    'unknown algorithm': encode(sequence(sequence(oid('1.2.3.4')), bits(Buffer.of(1)))),
  };
  for (const [name, spki] of Object.entries(spkis)) {
    const csr = await csrOf({ key: signer, spki });
    const read = (): void => assert.throws(() => readCsr(csr), { code: 'csr_key_unsupported' }, name);
    const ms = leastMs(read);
    assert.ok(ms < 5, `${name}: ${ms.toFixed(1)} ms`);
  }
});

test('row 16: a CSR for the public key of somebody else is refused', async () => {
  const [mine, victim] = await Promise.all([generateP256(), generateP256()]);
  const csr = await csrOf({ key: mine, spki: spkiOf(victim) });
  assert.throws(() => readCsr(csr), { code: 'csr_invalid', message: /not signed by its own key/ });
});

test('a flipped byte anywhere makes a certificate request invalid', async () => {
  const csr = await writeCsr(await generateP256());
  for (let at = 0; at < csr.length; at += 1) {
    const flipped = Buffer.from(csr);
    flipped[at] = (flipped[at] as number) ^ 0x04;
    assert.throws(() => readCsr(flipped), /^PalyraError/, `byte ${at}`);
  }
});

test('another signature algorithm than ECDSA with SHA-256 is refused, also with parameters added', async () => {
  const key = await generateP256();
  for (const algorithm of [
    sequence(oid('1.2.840.10045.4.3.3')),
    sequence(oid('1.2.840.10045.4.3.2'), sequence()),
    sequence(oid('1.2.840.113549.1.1.11')),
  ]) {
    const csr = await csrOf({ key, algorithm });
    assert.throws(() => readCsr(csr), { code: 'csr_key_unsupported' });
  }
});

test('what is not exactly one PKCS #10 request in strict DER is refused', async () => {
  const key = await generateP256();
  const csr = await writeCsr(key);
  const info = partsOf(decode(csr))?.[0] as Der;
  const infoParts = partsOf(info) as readonly Der[];
  const signed = async (body: Der): Promise<Buffer> =>
    encode(sequence(body, sequence(oid('1.2.840.10045.4.3.2')), bits(await signSha256(key, encode(body)))));
  const longLength = Buffer.concat([
    Buffer.from('3083', 'hex'),
    Buffer.alloc(3),
    csr.subarray(csr[1] === 0x82 ? 4 : 3),
  ]);
  longLength.writeUIntBE(longLength.length - 5, 2, 3);
  const cases: Record<string, Buffer> = {
    empty: Buffer.alloc(0),
    'one byte': Buffer.of(0x30),
    'trailing byte': Buffer.concat([csr, Buffer.of(0)]),
    'cut short': csr.subarray(0, -1),
    twice: Buffer.concat([csr, csr]),
    'length in more bytes than needed': longLength,
    'indefinite length': Buffer.concat([Buffer.of(0x30, 0x80), csr.subarray(3), Buffer.of(0, 0)]),
    'three parts in the info': await signed(sequence(...infoParts.slice(0, 3))),
    'five parts in the info': await signed(sequence(...infoParts, smallInteger(0))),
    'attributes twice': await signed(sequence(...infoParts.slice(0, 3), tagged(0), tagged(0))),
    'a certificate': await issueCa(key, { nowUnixMs: Date.now(), lifetimeMs: 1000_000 }),
    'four parts': encode(sequence(...(partsOf(decode(csr)) as readonly Der[]), smallInteger(0))),
  };
  for (const [name, der] of Object.entries(cases)) {
    assert.throws(() => readCsr(der), { name: 'PalyraError', code: 'csr_invalid' }, name);
  }
  assert.throws(() => readCsr(Buffer.alloc(LIMITS.csrBytes + 1, 0x30)), { code: 'csr_key_unsupported' });
});
