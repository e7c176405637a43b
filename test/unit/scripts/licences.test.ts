import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { isAllowed, notices, shipped } from '../../../scripts/licences.ts';

const ROOT = dirname(dirname(dirname(import.meta.dirname)));

test('everything that ships may ship', (t) => {
  const all = shipped();
  t.diagnostic(`${all.length} packages`);
  const refused = all.filter(({ licence }) => !isAllowed(licence));
  assert.deepEqual(refused, []);
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const names = new Set(all.map(({ name }) => name));
  assert.deepEqual(
    Object.keys(dependencies).filter((name) => !names.has(name)),
    [],
  );
  assert.ok(!names.has('typescript'), 'what only builds does not ship');
});

test('terms are read as SPDX says', () => {
  for (const [expression, allowed] of [
    ['MIT', true],
    ['GPL-2.0', false],
    ['none', false],
    ['SEE LICENSE IN LICENSE.md', false],
    ['(BSD-3-Clause OR GPL-2.0)', true],
    ['GPL-2.0 OR AGPL-3.0', false],
    ['MIT AND GPL-2.0', false],
    ['MIT AND (Apache-2.0 OR GPL-2.0)', true],
    ['(MIT OR GPL-2.0) AND (GPL-2.0)', false],
    ['MIT AND ISC OR GPL-2.0', true],
  ] as const) {
    assert.equal(isAllowed(expression), allowed, expression);
  }
});

test('the notices hold each package with its terms', () => {
  const all = shipped();
  const text = notices(all);
  for (const { name, version, licence } of all) assert.ok(text.includes(`\n${name} ${version} (${licence})\n`), name);
  assert.match(text, /Permission is hereby granted, free of charge/);
  assert.match(text, /copyright Node\.js contributors/i, 'the runtime of the binary');
});
