import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { cleanText } from '../../../src/cli/clean-text.ts';
import { renderError } from '../../../src/cli/describe-error.ts';
import { renderFacts, renderTable } from '../../../src/cli/table.ts';
import { TerminalFilter } from '../../../src/cli/terminal-filter.ts';

const HOSTILE = [
  '\u001b[31mred\u001b[0m',
  '\u001b]52;c;ZXZpbA==\u0007',
  '\u001b]0;title\u001b\\',
  '\u001bP1$r\u001b\\',
  '\u009b2J\u009d0;x\u009c',
  'a\rb\nc\tq\u0000\u0008\u007f',
  'user\u202egnp.exe\u2066x\u2069\u200f\u061c',
  '\u2028\u2029\ufeff',
  '\u001b[',
  '\u001b]52;c;never ended',
  `${'x'.repeat(100_000)}`,
];
const UNSAFE = /(?!\n)[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u;
const stream = (isTTY: boolean, columns: number): NodeJS.WriteStream =>
  Object.assign(new Writable(), { isTTY, columns, getColorDepth: () => 1, hasColors: () => false }) as never;
const pipe = stream(false, 0);

test('row 38: cells, facts and errors keep no byte that a terminal would obey', () => {
  for (const text of HOSTILE) {
    const column = { head: 'NAME', cell: (row: string) => row };
    const inPipe = renderTable([column], [text], pipe);
    const onScreen = renderTable([column], [text], stream(true, 80));
    const facts = renderFacts([{ name: 'name', value: text }]);
    const error = renderError({ exit: 1, error: { code: 'internal', message: text, hint: text } });
    for (const shown of [inPipe, onScreen, facts, error]) assert.doesNotMatch(shown, UNSAFE, JSON.stringify(text));
    assert.equal(inPipe.split('\n').length, 2, 'one line a row');
    assert.equal(error.trimEnd().split('\n').length, 2, 'no line that looks like ours');
  }
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => assert.doesNotMatch(cleanText(text), UNSAFE)));
});

test('row 38: names that differ only in what is hidden do not look alike', () => {
  assert.notEqual(cleanText('admin\u202e'), cleanText('admin'));
  assert.notEqual(cleanText('ad\u0000min'), cleanText('admin'));
  assert.equal(cleanText('büro-1 \u{1f600}'), 'büro-1 \u{1f600}');
});

test('row 38: output of a program loses what a terminal would obey, also when it is cut in two', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
      (texts, cuts) => {
        const bytes = Buffer.from(texts.join('').slice(0, 2_000));
        const pieces = new TerminalFilter();
        let shown = '';
        for (let at = 0, n = 0; at < bytes.length; n += 1) {
          const step = cuts[n % cuts.length] ?? 1;
          shown += pieces.filter(bytes.subarray(at, at + step));
          at += step;
        }
        assert.doesNotMatch(shown, /(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u);
        assert.equal(shown, new TerminalFilter().filter(bytes));
      },
    ),
  );
  const filter = new TerminalFilter();
  assert.equal(
    filter.filter(Buffer.from('a\tb\r\nc\rd\u001b[1;31mred\u001b[0m \u001b]52;c;eA==\u0007ü')),
    'a\tb\nc\ndred ü',
  );
});

test('a table is aligned, cut to a terminal and never in a pipe', () => {
  const columns = [
    { head: 'NAME', cell: ([name]: readonly string[]) => name ?? '' },
    { head: 'WHAT', cell: ([, what]: readonly string[]) => what ?? '' },
  ];
  const rows = [
    ['web-1', 'x'.repeat(300)],
    ['日本', 'short'],
  ];
  const piped = renderTable(columns, rows, pipe);
  assert.ok(piped.includes('x'.repeat(300)));
  const lines = renderTable(columns, rows, stream(true, 40)).split('\n');
  assert.equal(lines.length, 3);
  for (const line of lines) assert.ok(stringWidth(line) <= 40, line);
  assert.equal(lines[2], '日本   short');
  const ids = columns.map((column) => ({ ...column, whole: true }));
  assert.ok(renderTable(ids, rows, stream(true, 40)).includes('x'.repeat(300)), 'an id is never cut');
});
