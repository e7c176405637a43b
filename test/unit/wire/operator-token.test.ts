import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeOperatorToken, parseOperatorToken, TOKEN_KINDS } from '../../../src/wire/operator-token.ts';

test('a token says what it is for, and is found by its id', () => {
  for (const [role, kind] of Object.entries(TOKEN_KINDS)) {
    const token = makeOperatorToken(role as keyof typeof TOKEN_KINDS);
    assert.match(token.text, new RegExp(`^palyra_${kind}_[0-9a-z]{10}_[0-9A-Za-z]{38}$`));
    assert.deepEqual(parseOperatorToken(token.text), token);
  }
});

test('tokens do not repeat, and their letters are drawn evenly', () => {
  const tokens = Array.from({ length: 2_000 }, () => makeOperatorToken('viewer').text);
  assert.equal(new Set(tokens).size, tokens.length);
  const counts = new Map<string, number>();
  for (const letter of tokens.map((text) => text.slice(22, 54)).join(''))
    counts.set(letter, (counts.get(letter) ?? 0) + 1);
  const expected = (tokens.length * 32) / 62;
  assert.equal(counts.size, 62);
  for (const [letter, count] of counts) assert.ok(Math.abs(count / expected - 1) < 0.2, `${letter}: ${count}`);
});

test('row 43: no single change of a letter leaves a token a token', () => {
  const { text } = makeOperatorToken('admin');
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.integer({ min: 0x20, max: 0x7e }), (at, code) => {
      const letter = String.fromCharCode(code);
      if (text[at] === letter) return;
      assert.equal(parseOperatorToken(text.slice(0, at) + letter + text.slice(at + 1)), undefined);
    }),
  );
  assert.equal(parseOperatorToken(''), undefined);
  assert.equal(parseOperatorToken(`${text}\n`), undefined);
});
