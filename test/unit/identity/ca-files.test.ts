import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openCa } from '../../../src/identity/ca-files.ts';
import { ensurePrivateDir } from '../../../src/kernel/files.ts';
import { issueCa, issueDeviceLeaf } from '../../../src/x509/issue.ts';
import { generateP256, privateKeyPem, spkiOf } from '../../../src/x509/key-pair.ts';
import { IdentityHome, START } from '../../support/identity-home.ts';

interface Place {
  readonly folder: string;
  readonly leafPath: string;
  readonly now: () => number;
  readonly key: string;
  readonly certificate: string;
}

function place(t: TestContext): Place {
  const home = mkdtempSync(join(tmpdir(), 'palyra-ca-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const folder = join(home, 'ca');
  return {
    folder,
    leafPath: join(home, 'daemon.pem'),
    now: () => START,
    key: join(folder, 'ca-key.pem'),
    certificate: join(folder, 'ca.pem'),
  };
}

const put = (path: string, text: string): void => writeFileSync(path, text, { mode: 0o600 });
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

test('the CA is made once and stays the same', async (t) => {
  const at = place(t);
  const first = await openCa(at);
  const second = await openCa(at);
  assert.deepEqual(second.der, first.der);
  assert.deepEqual(second.sha256, first.sha256);
  assert.deepEqual(readdirSync(at.folder).sort(), ['ca-key.pem', 'ca.pem']);
});

test('row 39: with umask 000 the files of the identity are 0600 and their folders 0700', async (t) => {
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const { daemonHome } = await IdentityHome.make(t);
  for (const folder of ['', 'ca', 'identity']) assert.equal(modeOf(join(daemonHome, folder)), '700', folder);
  for (const file of ['ca/ca-key.pem', 'ca/ca.pem', 'identity/daemon.pem']) {
    assert.equal(modeOf(join(daemonHome, file)), '600', file);
  }
});

test('row 39: a CA key, certificate, leaf or folder that others can use is refused, and the hint is the fix', async (t) => {
  const home = await IdentityHome.make(t);
  for (const [name, mode, fixed] of [
    ['ca/ca-key.pem', 0o644, 0o600],
    ['ca/ca-key.pem', 0o640, 0o600],
    ['ca/ca.pem', 0o606, 0o600],
    ['identity/daemon.pem', 0o644, 0o600],
    ['ca', 0o755, 0o700],
    ['identity', 0o710, 0o700],
  ] as const) {
    const path = join(home.daemonHome, name);
    chmodSync(path, mode);
    await assert.rejects(home.restart(), { code: 'credential_unsafe', hint: `chmod go= ${path}` }, name);
    chmodSync(path, fixed);
  }
  await home.restart();
});

test('a start that broke off between key and certificate is continued with the same key', async (t) => {
  const at = place(t);
  ensurePrivateDir(at.folder);
  const key = await generateP256();
  put(at.key, privateKeyPem(key));
  const { certificate } = await openCa(at);
  assert.deepEqual(spkiOf(certificate.publicKey), spkiOf(key));
  assert.deepEqual((await openCa(at)).der, certificate.raw);
});

test('killed in the middle of its first start, the next one has a whole CA', async (t) => {
  const module = JSON.stringify(new URL('../../../src/identity/ca-files.ts', import.meta.url).href);
  const script = `
    import { openCa } from ${module};
    await openCa({ folder: process.argv[1], leafPath: process.argv[1] + '-leaf', now: () => ${START} });
  `;
  const left: string[] = [];
  for (let round = 0; round < 8; round += 1) {
    const at = place(t);
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, at.folder], { stdio: 'ignore' });
    const closed = once(child, 'close');
    // From the folder on it takes some milliseconds; each round kills a little later than the one before.
    const deadline = performance.now() + 20_000;
    while (!existsSync(round < 2 ? at.folder : at.key)) {
      assert.ok(performance.now() < deadline, 'the start made nothing');
    }
    const until = performance.now() + Math.max(round - 2, 0) * 0.7;
    while (performance.now() < until);
    child.kill('SIGKILL');
    await closed;
    left.push(`${existsSync(at.key) ? 'key' : '-'}+${existsSync(at.certificate) ? 'certificate' : '-'}`);
    assert.ok(!existsSync(at.certificate) || existsSync(at.key), 'a certificate without its key');
    const before = existsSync(at.key) ? readFileSync(at.key, 'utf8') : undefined;
    await openCa(at);
    if (before !== undefined) assert.equal(readFileSync(at.key, 'utf8'), before);
  }
  t.diagnostic(`what the kills left: ${left.join(', ')}`);
});

test('damaged, foreign or missing files are refused by name and left as they are', async (t) => {
  const other = await generateP256();
  const otherCa = new X509Certificate(await issueCa(other, { nowUnixMs: START, lifetimeMs: 1e10 }));
  const leafOf = async (at: Place): Promise<string> => {
    const ca = await openCa(at);
    const lifetime = { nowUnixMs: START, lifetimeMs: 1e9 };
    return new X509Certificate(
      await issueDeviceLeaf(ca, spkiOf(ca.key), '01ARZ3NDEKTSV4RRFFQ69G5FAV', lifetime),
    ).toString();
  };
  const damages: Record<string, (at: Place) => Promise<void> | void> = {
    'garbage for a key': (at) => put(at.key, 'garbage'),
    'an empty key': (at) => put(at.key, ''),
    'key of another CA': (at) => put(at.key, privateKeyPem(other)),
    'garbage for a certificate': (at) => put(at.certificate, 'garbage'),
    'certificate cut short': (at) => put(at.certificate, readFileSync(at.certificate, 'utf8').slice(0, 200)),
    'certificate of another CA': (at) => put(at.certificate, otherCa.toString()),
    'leaf instead of a CA': async (at) => put(at.certificate, await leafOf(at)),
    'key missing': (at) => rmSync(at.key),
    'certificate missing although a leaf exists': (at) => {
      put(at.leafPath, 'leaf');
      rmSync(at.certificate);
    },
    'both missing although a leaf exists': (at) => {
      put(at.leafPath, 'leaf');
      rmSync(at.key);
      rmSync(at.certificate);
    },
  };
  for (const [name, damage] of Object.entries(damages)) {
    const at = place(t);
    await openCa(at);
    await damage(at);
    const snapshot = (): string[] => readdirSync(at.folder).map((file) => readFileSync(join(at.folder, file), 'utf8'));
    const before = snapshot();
    await assert.rejects(
      openCa(at),
      { name: 'PalyraError', code: 'credential_damaged', hint: /restore .* backup/ },
      name,
    );
    assert.deepEqual(snapshot(), before, name);
  }
});
