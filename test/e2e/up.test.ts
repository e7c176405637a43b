import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { skipUnless } from '../support/require.ts';

const ROOT = dirname(dirname(import.meta.dirname));
const BINARY = join(ROOT, 'dist', 'palyra');

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('npm run up pairs a node of this machine, uses it, says how to go on, and leaves nothing after Ctrl-C', {
  timeout: 180_000,
  skip: skipUnless(existsSync(BINARY), 'dist/palyra is missing: npm run build'),
}, async (t) => {
  const up = spawn('sh', ['scripts/run.sh', 'up'], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => up.kill('SIGTERM'));
  let stdout = '';
  let stderr = '';
  const said = Promise.withResolvers<void>();
  up.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    if (stdout.includes('Ctrl-C ends both')) said.resolve();
  });
  up.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = once(up, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const early = ended.then(([code]) => assert.fail(`ended early with ${code}: ${stderr}`));
  await Promise.race([said.promise, early]);
  early.catch(() => undefined);

  assert.match(stdout, /Linux|Darwin/, 'the output of uname');
  assert.match(stdout, /Read from the node, through the daemon\./);
  const [, url = ''] = /Operator API: (http:\S+)/.exec(stdout) ?? [];
  assert.equal((await fetch(`${url}/healthz`)).status, 200);

  const [, home = ''] = /export PALYRA_HOME=(\S+)/.exec(stdout) ?? [];
  const shown = [...stdout.matchAll(/^ {4}(\S*palyra) (.+)$/gm)];
  assert.ok(shown.length >= 4, stdout);
  for (const [, binary = '', words = ''] of shown) {
    execFileSync(binary, words.split(' '), { env: { PATH: process.env['PATH'], PALYRA_HOME: home }, timeout: 30_000 });
  }

  const pids = [...stdout.matchAll(/pid (\d+)/g)].map(([, pid]) => Number(pid));
  assert.equal(pids.length, 2);
  assert.ok(pids.every(isAlive));
  up.kill('SIGINT');
  const [code] = await ended;
  assert.equal(code, 0, stderr);
  assert.deepEqual(pids.filter(isAlive), []);
  assert.equal(existsSync(dirname(home)), false);
});
