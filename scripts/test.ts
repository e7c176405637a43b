// npm test [-- FILE…]: types, the binary that the end-to-end tests run, then every test, or the named files.
import { availableParallelism } from 'node:os';
import { build, checkTypes, generate } from './build.ts';
import { endWith, exitOf } from './step.ts';

const KINDS = ['unit', 'integration', 'e2e', 'chaos'];
// Ends a file that hangs; tests that wait for something have deadlines of their own, far below.
const HANG_MS = (process.env['PALYRA_TEST_LONG'] === '1' ? 120 : 15) * 60_000;

const named = process.argv.slice(2);
const files = named.length > 0 ? named : KINDS.map((kind) => `test/${kind}/**/*.test.ts`);

try {
  await generate();
  await checkTypes();
  await build();
} catch (cause) {
  endWith(cause);
}

// What the person running this has set for a Palyra of their own is not for the tests.
const kept = Object.entries(process.env).filter(([name]) => !/^PALYRA_(?!TEST_)|^NODE_OPTIONS$/.test(name));
process.stderr.write('==> tests\n');
process.exitCode = await exitOf(
  [
    process.execPath,
    '--test',
    `--test-concurrency=${Math.max(2, availableParallelism())}`,
    `--test-timeout=${HANG_MS}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    ...files,
  ],
  { env: Object.fromEntries(kept) },
);
