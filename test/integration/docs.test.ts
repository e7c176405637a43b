// The command blocks of the documentation, typed as they stand there, against a daemon and a node of this machine.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { blocksOf, type DocBlock, readDocuments } from '../support/doc-blocks.ts';
import { PairedFleet } from '../support/paired-fleet.ts';
import { skipUnless } from '../support/require.ts';
import { AS_BUILT } from '../support/run-cli.ts';

const ROOT = dirname(dirname(import.meta.dirname));
const BLOCK_MS = 60_000;
const run = promisify(execFile);
const blocks = readDocuments(ROOT).flatMap(blocksOf);

/** A `palyra` for PATH, as if it were installed. */
function installed(folder: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const words = AS_BUILT.map((word) => `'${word}'`).join(' ');
  writeFileSync(join(bin, 'palyra'), `#!/bin/sh\nexec ${words} "$@"\n`);
  chmodSync(join(bin, 'palyra'), 0o755);
  return bin;
}

test('what the pages tell to type works', {
  timeout: 300_000,
  skip: skipUnless(process.platform === 'linux', 'the pages are written for Linux'),
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'palyra-docs-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const bin = installed(folder);
  const fleet = await PairedFleet.start(t, { program: AS_BUILT, name: 'web-1' });
  writeFileSync(join(fleet.readRoot, 'dpkg.log'), '2026-01-01 00:00:00 startup archives unpack\n');

  const type = async ({ run: where, text }: DocBlock): Promise<void> => {
    // The folder that the pages read from is not the same on every machine.
    const script = text.replaceAll('/var/log', fleet.readRoot);
    const home = where === 'node' ? fleet.nodeHome : fleet.daemonHome;
    await run('sh', ['-euc', script], {
      cwd: folder,
      env: { PATH: `${bin}:${process.env['PATH']}`, PALYRA_HOME: home, HOME: folder },
      timeout: BLOCK_MS,
    }).catch((cause: Error & { readonly stderr?: string }) => {
      assert.fail(`${cause.message}\n${cause.stderr}`);
    });
  };
  let count = 0;
  for (const block of blocks.filter(({ run: where }) => where !== 'shown')) {
    await t.test(block.at, () => type(block));
    count += 1;
  }
  assert.ok(count >= 6, `only ${count} blocks were run`);
  t.diagnostic(`${count} blocks run, ${blocks.length - count} only shown`);
});

test('a block that is not run says why', () => {
  for (const { at, run: where, reason } of blocks) {
    if (where === 'shown') assert.match(reason ?? '', /\w{2,} \w/, at);
  }
});
