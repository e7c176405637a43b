import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { linearRegex } from '../../../../src/capabilities/shell/linear-regex.ts';

const atom = fc.constantFrom(
  'a',
  'b',
  'é',
  '0',
  '-',
  '.',
  '\\d',
  '\\w',
  '\\s',
  '\\.',
  '[a-c]',
  '[^a]',
  '[0-9_-]',
  '😀',
);
const quantifier = fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,3}', '{0,}');
const piece = fc.tuple(atom, quantifier).map((parts) => parts.join(''));
const sequence = fc.array(piece, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(''));
const group = fc
  .tuple(fc.array(sequence, { minLength: 1, maxLength: 3 }), quantifier)
  .map(([options, repeat]) => `(?:${options.join('|')})${repeat}`);
const pattern = fc.array(fc.oneof(sequence, group), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''));
const text = fc.array(fc.constantFrom('a', 'b', 'c', 'é', '0', '9', '-', '_', '.', ' ', '\n', '😀'), { maxLength: 8 });

test('a pattern fits exactly what the same pattern of JavaScript fits as a whole', () => {
  let fits = 0;
  fc.assert(
    fc.property(pattern, text, (source, characters) => {
      const subject = characters.join('');
      const expected = new RegExp(`^(?:${source})$`, 'u').test(subject);
      if (expected) fits += 1;
      assert.equal(linearRegex(source)(subject), expected, `/${source}/ on ${JSON.stringify(subject)}`);
    }),
    { numRuns: 5000 },
  );
  assert.ok(fits > 100, `only ${fits} of the cases fitted: the property says little`);
});

test('anchors at the ends are let pass, and an escaped dollar is a dollar', () => {
  assert.equal(linearRegex('^--n=\\d+$')('--n=12'), true);
  assert.equal(linearRegex('^--n=\\d+$')('x--n=12'), false);
  assert.equal(linearRegex('cost\\$')('cost$'), true);
  assert.equal(linearRegex('cost\\\\$')('cost\\'), true);
});

test('what needs backtracking or is read differently elsewhere is refused by name', () => {
  const refused = [
    '(a)\\1',
    '(?=a)',
    '(?<n>a)',
    'a*?',
    'a**',
    'a++',
    'a^b',
    'a$b',
    '(a',
    'a)',
    '[a',
    '[z-a]',
    '{',
    'a{',
    '\\u0041',
    '\\b',
    '+a',
    'a{999}',
    ''.padStart(40, '('),
  ];
  for (const source of refused) assert.throws(() => linearRegex(source), SyntaxError, source);
});

test('patterns that hang a backtracking engine answer at once', () => {
  const began = performance.now();
  assert.equal(linearRegex('(?:a|a)*b')('a'.repeat(4000)), false);
  assert.equal(linearRegex('(?:a*)*c')('a'.repeat(4000)), false);
  assert.equal(linearRegex('(?:a?){200}a{200}')('a'.repeat(200)), true);
  assert.ok(performance.now() - began < 2000, `took ${performance.now() - began} ms`);
});

test('a pattern too large to run fast is refused, an argument too long fits nothing', () => {
  assert.throws(() => linearRegex('(?:a{200}){200}'), /too large/);
  assert.equal(linearRegex('a*')('a'.repeat(5000)), false);
});
