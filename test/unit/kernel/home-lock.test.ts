import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { homeIsLocked, lockHome } from '../../../src/kernel/home-lock.ts';

const MODULE = join(import.meta.dirname, '../../../src/kernel/home-lock.ts');

test('the lock of a home is one process’s, and goes with it also when it is killed', async (t) => {
  const folder = join(mkdtempSync(join(tmpdir(), 'palyra-lock-')), 'daemon');
  t.after(() => rmSync(join(folder, '..'), { recursive: true, force: true }));
  assert.equal(homeIsLocked(folder), false, 'there was never a process');
  const script = `const { lockHome } = await import(${JSON.stringify(MODULE)});
    globalThis.held = lockHome(${JSON.stringify(folder)});
    process.stdout.write(String(globalThis.held !== undefined)); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => holder.kill('SIGKILL'));
  const [said] = (await once(holder.stdout, 'data')) as [Buffer];
  assert.equal(said.toString(), 'true');
  assert.equal(homeIsLocked(folder), true);
  assert.equal(lockHome(folder), undefined, 'taken twice');
  assert.equal(statSync(join(folder, 'lock')).mode & 0o777, 0o600);

  const ended = once(holder, 'exit');
  holder.kill('SIGKILL');
  await ended;
  assert.equal(homeIsLocked(folder), false);
  const lock = lockHome(folder);
  assert.notEqual(lock, undefined);
  assert.equal(homeIsLocked(folder), true);
  lock?.release();
  assert.equal(homeIsLocked(folder), false);
});
