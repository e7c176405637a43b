import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { errorsDoc } from '../../../scripts/errors-doc.ts';
import { FAULTS } from '../../../src/kernel/errors.ts';

const ROOT = dirname(dirname(dirname(import.meta.dirname)));

test('docs/errors.md is what the error table says', () => {
  assert.equal(readFileSync(join(ROOT, 'docs', 'errors.md'), 'utf8'), errorsDoc(), 'run npm run docs');
});

test('each code has one row, and each row its parts', () => {
  const rows = errorsDoc()
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  assert.deepEqual(rows.map((row) => /`(\w+)`/.exec(row)?.[1] ?? '').sort(), Object.keys(FAULTS).sort());
  for (const row of rows)
    assert.match(row, /^\| `\w+` \| [^|]+\. \| [^|]+\. \| \d{3} \| [A-Z_]+ \| (transient|permanent) \|$/);
});
