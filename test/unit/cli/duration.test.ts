import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration } from '../../../src/cli/duration-flag.ts';
import { environmentOf, splitWords } from '../../../src/cli/exec-words.ts';

const usage = (cause: unknown): boolean => (cause as { code?: string }).code === 'usage';

test('durations have a unit and bounds', () => {
  const HOUR = 3_600_000;
  for (const [text, ms] of [
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    [' 2 hours ', 7_200_000],
  ] as const) {
    assert.equal(parseDuration(text, 24 * HOUR), ms);
  }
  for (const text of ['30', '', 'soon', '-5m', '0s', '0.1ms', '5y', '1e3s', '25h', 'Infinity', '5m; rm']) {
    assert.throws(() => parseDuration(text, 24 * HOUR), usage, text);
  }
  assert.throws(() => parseDuration('30', HOUR), /30s for seconds/);
});

test('a command line is parted at its first -- and nowhere else', () => {
  assert.deepEqual(splitWords(['web', '--', '--', 'x']), { own: ['web'], remote: ['--', 'x'] });
  assert.deepEqual(splitWords(['web', '--']), { own: ['web'], remote: [] });
  assert.deepEqual(splitWords(['web', '--json']), { own: ['web', '--json'], remote: undefined });
});

test('a variable ends its name at the first =', () => {
  assert.deepEqual(environmentOf(['A=b=c', 'E=', 'N=x\ny']), { A: 'b=c', E: '', N: 'x\ny' });
  for (const word of ['A', '=x', '']) assert.throws(() => environmentOf([word]), usage, word);
});
