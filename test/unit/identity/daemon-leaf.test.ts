import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ServerCredentialsPem } from '../../../src/identity/types.ts';
import { factsOf } from '../../../src/x509/certificate.ts';
import { readPrivateKey, spkiOf } from '../../../src/x509/key-pair.ts';
import { IdentityHome, START } from '../../support/identity-home.ts';
import { openssl, skipWithoutOpenssl } from '../../support/openssl.ts';

const DAY = 86_400_000;
const leafOf = ({ chain }: ServerCredentialsPem): X509Certificate => new X509Certificate(chain);

/** The next credentials that the home's identity announces. */
async function renewed(home: IdentityHome, act: () => void): Promise<ServerCredentialsPem> {
  const events = new EventEmitter();
  const stop = home.identity.onServerCredentials((credentials) => events.emit('renewed', credentials));
  const next = once(events, 'renewed', { signal: AbortSignal.timeout(5_000) });
  act();
  const [credentials] = (await next) as [ServerCredentialsPem];
  stop();
  return credentials;
}

test('the daemon shows leaf and CA with the key of the leaf', { skip: skipWithoutOpenssl }, async (t) => {
  const home = await IdentityHome.make(t);
  const { ca, chain, key } = home.identity.serverCredentials();
  assert.deepEqual(spkiOf(leafOf({ ca, chain, key }).publicKey), spkiOf(readPrivateKey(key, 'key')));
  assert.equal(new X509Certificate(ca).fingerprint256, home.identity.caCertificate.fingerprint256);
  assert.equal(chain.endsWith(ca), true);
  const [caPath, chainPath] = [join(home.folder, 'ca.pem'), join(home.folder, 'chain.pem')];
  writeFileSync(caPath, ca);
  writeFileSync(chainPath, chain);
  const at = String(START / 1000);
  const verified = openssl(
    'verify',
    '-x509_strict',
    '-attime',
    at,
    '-purpose',
    'sslserver',
    '-CAfile',
    caPath,
    chainPath,
  );
  assert.match(verified, /OK/);
});

test('W20 the certificate of the daemon renews after two thirds of its life without a restart, with a new key', async (t) => {
  const home = await IdentityHome.make(t);
  const first = home.identity.serverCredentials();
  home.clock.advance(60 * DAY - 60_000);
  assert.deepEqual(home.identity.serverCredentials(), first);
  const second = await renewed(home, () => home.clock.advance(2 * 3_600_000));
  assert.deepEqual(home.identity.serverCredentials(), second);
  assert.notEqual(leafOf(second).serialNumber, leafOf(first).serialNumber);
  assert.notEqual(second.key, first.key);
  assert.equal(second.ca, first.ca);
  assert.ok(factsOf(leafOf(second)).notAfterUnixMs >= home.clock.now() + 90 * DAY - 3 * 3_600_000);
  await home.restart();
  assert.deepEqual(home.identity.serverCredentials(), second);
});

test('a start renews what is due, and a certificate of another daemon is not used', async (t) => {
  const home = await IdentityHome.make(t);
  const first = leafOf(home.identity.serverCredentials());
  home.clock.advance(1000);
  await home.restart();
  assert.equal(leafOf(home.identity.serverCredentials()).serialNumber, first.serialNumber);
  await home.restart({ daemonId: '01ARZ3NDEKTSV4RRFFQ69G5FAV' });
  const second = leafOf(home.identity.serverCredentials());
  assert.match(second.subjectAltName ?? '', /palyra:\/\/daemon\/01ARZ3NDEKTSV4RRFFQ69G5FAV/);
  await home.close();
  home.clock.advance(61 * DAY);
  await home.restart({ daemonId: '01ARZ3NDEKTSV4RRFFQ69G5FAV' });
  assert.notEqual(leafOf(home.identity.serverCredentials()).serialNumber, second.serialNumber);
});

test('a damaged leaf is set aside and made anew; the CA stays', async (t) => {
  const home = await IdentityHome.make(t);
  const ca = home.identity.caSha256;
  const folder = join(home.daemonHome, 'identity');
  writeFileSync(join(folder, 'daemon.pem'), 'damaged');
  await home.restart();
  assert.deepEqual(home.identity.caSha256, ca);
  assert.match(home.identity.serverCredentials().chain, /BEGIN CERTIFICATE/);
  const aside = readdirSync(folder).find((name) => name.includes('damaged'));
  assert.equal(readFileSync(join(folder, aside as string), 'utf8'), 'damaged');
});

test('a renewal that cannot be written keeps the old certificate and is tried again', async (t) => {
  const home = await IdentityHome.make(t);
  const first = home.identity.serverCredentials();
  const folder = join(home.daemonHome, 'identity');
  renameSync(folder, `${folder}-away`);
  writeFileSync(folder, 'in the way');
  home.clock.advance(60 * DAY + 3_600_000);
  const log = join(home.folder, 'log.jsonl');
  const deadline = performance.now() + 5_000;
  while (!readFileSync(log, 'utf8').includes('could not be renewed')) {
    assert.ok(performance.now() < deadline, 'nothing was logged');
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(home.identity.serverCredentials(), first);
  renameSync(folder, `${folder}-file`);
  mkdirSync(folder, { mode: 0o700 });
  const second = await renewed(home, () => home.clock.advance(60_000));
  assert.notEqual(second.key, first.key);
});

test('row 30: a clock that went back by more than five minutes signs nothing, also after a restart', async (t) => {
  const home = await IdentityHome.make(t);
  const { key } = await home.trusted();
  const sign = () => home.identity.signDeviceCertificate(spkiOf(key), home.newId() as never);
  home.clock.advance(DAY);
  await sign();
  const here = home.clock.now();
  home.clock.setWall(here - 4 * 60_000);
  await sign();
  home.clock.setWall(here - 6 * 60_000);
  await assert.rejects(async () => sign(), { code: 'clock_skew', hint: /set the clock/ });
  home.clock.setWall(START - DAY);
  await home.restart();
  assert.match(home.identity.serverCredentials().chain, /BEGIN CERTIFICATE/);
  await assert.rejects(async () => sign(), { code: 'clock_skew' });
  home.clock.setWall(here);
  await sign();
});

test('a closed identity leaves no timer', async (t) => {
  const home = await IdentityHome.make(t);
  assert.equal(home.clock.timers, 1);
  home.identity.close();
  assert.equal(home.clock.timers, 0);
});
