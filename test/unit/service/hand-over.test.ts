import assert from 'node:assert/strict';
import {
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { handOver } from '../../../src/service/hand-over.ts';
import { assertOwnFolder, isOwnFolder } from '../../../src/service/own-folder.ts';
import { othersMayChange, serviceBinary } from '../../../src/service/service-binary.ts';
import { skipUnless } from '../../support/require.ts';

const skip = skipUnless(
  process.platform === 'linux' && process.geteuid?.() === 0,
  'giving files away needs root on Linux',
);
const ACCOUNT = { name: 'somebody', uid: 40_001, gid: 40_002 };
const FORMER = 40_003;
const STRANGER = 40_004;

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'palyra-service-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const refuses = (code: string) => (error: unknown) => error instanceof PalyraError && error.code === code;

describe('a folder is given to an account', { skip }, () => {
  test('all of it, once, and closed to others', (t) => {
    const home = join(scratch(t), 'node');
    mkdirSync(join(home, 'identity'), { recursive: true, mode: 0o755 });
    writeFileSync(join(home, 'identity', 'key.pem'), '');
    writeFileSync(join(home, 'node-host.json'), '');
    chownSync(join(home, 'node-host.json'), FORMER, FORMER);
    symlinkSync('/etc/passwd', join(home, 'link'));
    assert.equal(handOver(home, ACCOUNT, [FORMER]), 5);
    for (const path of [home, 'identity', 'identity/key.pem', 'node-host.json', 'link']) {
      assert.equal(lstatSync(path === home ? home : join(home, path)).uid, ACCOUNT.uid, path);
    }
    assert.equal(statSync('/etc/passwd').uid, 0);
    assert.equal(statSync(home).mode & 0o777, 0o700);
    assert.equal(handOver(home, ACCOUNT, [FORMER]), 0);
  });

  test("another user's file, a second name of a file, and a link in place of the folder are refused", (t) => {
    const top = scratch(t);
    const planted = join(top, 'a');
    mkdirSync(planted);
    writeFileSync(join(planted, 'file'), '');
    chownSync(join(planted, 'file'), STRANGER, STRANGER);
    assert.throws(() => handOver(planted, ACCOUNT, [FORMER]), refuses('credential_unsafe'));

    const linked = join(top, 'b');
    mkdirSync(linked);
    writeFileSync(join(top, 'secret'), '');
    linkSync(join(top, 'secret'), join(linked, 'file'));
    assert.throws(() => handOver(linked, ACCOUNT, []), refuses('credential_unsafe'));
    assert.equal(statSync(join(top, 'secret')).uid, 0);

    symlinkSync('/etc', join(top, 'c'));
    assert.throws(() => handOver(join(top, 'c'), ACCOUNT, []), refuses('credential_unsafe'));
    assert.equal(statSync('/etc').uid, 0);
  });
});

test('a folder with the files of somebody else is not taken for ours', (t) => {
  const folder = scratch(t);
  assert.equal(isOwnFolder(folder, 'node'), true);
  assert.equal(isOwnFolder(join(folder, 'missing'), 'node'), true);
  writeFileSync(join(folder, 'thesis.txt'), '');
  assert.throws(() => assertOwnFolder(folder, 'node'), refuses('conflict'));
  writeFileSync(join(folder, 'node-host.json'), '');
  assertOwnFolder(folder, 'node');
  assert.equal(isOwnFolder(folder, 'daemon'), false);
});

test('the program of a service', (t) => {
  const source = { packed: false, execPath: '/usr/bin/node' };
  const program = join(scratch(t), 'palyra');
  writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 });
  assert.equal(serviceBinary(undefined, { packed: true, execPath: program }), program);
  assert.equal(serviceBinary(program, source), program);
  assert.throws(() => serviceBinary(undefined, source), refuses('usage'));
  assert.throws(() => serviceBinary('./palyra', source), refuses('usage'));
  writeFileSync(`${program}.txt`, '', { mode: 0o644 });
  assert.throws(() => serviceBinary(`${program}.txt`, source), refuses('usage'));
  assert.equal(othersMayChange('/usr/bin/env'), undefined);
});

test('a program that others can change', { skip }, (t) => {
  const folder = scratch(t);
  const program = join(folder, 'palyra');
  writeFileSync(program, '', { mode: 0o755 });
  assert.equal(othersMayChange(program), undefined);
  chownSync(folder, STRANGER, STRANGER);
  assert.equal(othersMayChange(program), folder);
});
