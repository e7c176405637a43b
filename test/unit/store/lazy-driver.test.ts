import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NO_POSTGRES, sharedPostgres } from '../../support/engines.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** Modules that a process loads which opens a store and closes it. */
function loaded(folder: string, databaseUrl?: string): string[] {
  const at = (path: string): string => JSON.stringify(join(ROOT, path));
  const program = join(folder, 'open.ts');
  const list = join(folder, 'loaded');
  writeFileSync(list, '');
  writeFileSync(
    program,
    `import { systemClock } from ${at('src/kernel/clock.ts')};
import { makeLogger } from ${at('src/kernel/log.ts')};
import { openStore } from ${at('src/store/open-store.ts')};
const log = makeLogger({ level: 'error', component: 'test' });
const databaseUrl = process.argv[2];
const { store } = await openStore({ home: ${JSON.stringify(join(folder, 'home'))}, databaseUrl, clock: systemClock, log });
await store.close();
`,
  );
  const recorder = join(ROOT, 'test/support/record-imports.ts');
  execFileSync(process.execPath, ['--import', recorder, program, ...(databaseUrl === undefined ? [] : [databaseUrl])], {
    env: { ...process.env, PALYRA_TEST_IMPORTS: list },
    timeout: 30_000,
  });
  return readFileSync(list, 'utf8').split('\n');
}

const ofDriver = (urls: readonly string[]) => urls.filter((url) => /\/node_modules\/pg[-/]/.test(url));

test('a file loads nothing of the driver for PostgreSQL, a URL does', { skip: NO_POSTGRES }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'palyra-lazy-'));
  t.after(() => rmSync(folder, { recursive: true }));
  assert.deepEqual(ofDriver(loaded(folder)), []);
  const server = await sharedPostgres();
  assert.notEqual(ofDriver(loaded(folder, server.url(await server.database()))).length, 0);
});
