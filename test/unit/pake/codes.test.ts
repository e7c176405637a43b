import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { fromBase32, toBase32 } from '../../../src/pake/base32.ts';
import { parseCode } from '../../../src/pake/code.ts';
import { damm } from '../../../src/pake/damm.ts';
import { makeJoinToken, parseJoinToken } from '../../../src/pake/join-token.ts';
import { makePin, parsePin, pinSelectors, showPin } from '../../../src/pake/pin.ts';

const malformed = (error: unknown): boolean =>
  error instanceof PalyraError && error.code === 'pin_malformed' && error.hint !== undefined;

test('the check digit catches every wrong digit and every swap of neighbours', () => {
  let wrong = 0;
  let swaps = 0;
  for (let round = 0; round < 200; round += 1) {
    const { code } = makePin(String(round % 100).padStart(2, '0'));
    for (let at = 0; at < code.length; at += 1) {
      for (let digit = 0; digit < 10; digit += 1) {
        if (code[at] === String(digit)) continue;
        assert.notEqual(damm(`${code.slice(0, at)}${digit}${code.slice(at + 1)}`), '0');
        wrong += 1;
      }
      const next = code[at + 1];
      if (next === undefined || next === code[at]) continue;
      assert.notEqual(damm(`${code.slice(0, at)}${next}${code[at]}${code.slice(at + 2)}`), '0');
      swaps += 1;
    }
  }
  assert.equal(wrong, 200 * 90);
  assert.ok(swaps > 1_000);
});

test('a PIN is read as shown and as people type it', () => {
  const pin = parsePin('4712345675');
  assert.deepEqual(pin, { code: '4712345675', selector: '47' });
  assert.equal(showPin(pin), '4712-345-675');
  for (const typed of ['4712-345-675', ' 4712 345 675\n', '4712.345.675', '47–12–345675', '4712 − 345 675']) {
    assert.deepEqual(parsePin(typed), pin, typed);
  }
});

test('minted PINs are well formed, under the selector asked for, and not the same', () => {
  const selectors = pinSelectors();
  assert.equal(selectors.length, 100);
  const pins = new Set<string>();
  for (const selector of selectors) {
    const pin = makePin(selector);
    assert.deepEqual(parsePin(showPin(pin)), pin);
    assert.equal(pin.selector, selector);
    pins.add(pin.code.slice(2, 9));
  }
  assert.ok(pins.size > 95);
});

test('a typing error is told with what to do, and the PIN is not repeated', () => {
  for (const typed of ['4712345676', '7412345675', '471234567', '47123456750', '471234567a', '', '¹²³']) {
    assert.throws(
      () => parsePin(typed),
      (error: unknown) => malformed(error) && (typed === '' || !String(error).includes(typed)),
    );
  }
});

test('a join token is read back, whatever its case, and knows the key of its daemon', () => {
  const key = randomBytes(32);
  const token = makeJoinToken(key);
  assert.match(token.code, /^pjt1_[a-z2-7]{98}$/);
  assert.deepEqual(parseJoinToken(`  ${token.code.toUpperCase()}\n`), token);
  assert.ok(token.caSpkiSha256.equals(key));
  assert.equal(token.selector.length, 16);
});

test('every wrong, missing or added character of a token is refused', () => {
  const { code } = makeJoinToken(randomBytes(32));
  for (let at = 0; at < code.length; at += 1) {
    const other = code[at] === 'a' ? 'b' : 'a';
    assert.throws(() => parseJoinToken(`${code.slice(0, at)}${other}${code.slice(at + 1)}`), malformed);
    assert.throws(() => parseJoinToken(code.slice(0, at) + code.slice(at + 1)), malformed);
  }
  assert.throws(() => parseJoinToken(`${code}a`), malformed);
  assert.throws(() => parseJoinToken(''), malformed);
});

test('base32 is canonical: each text is the form of one byte string', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      assert.ok(fromBase32(toBase32(bytes))?.equals(bytes));
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'b', 'y', 'z', '2', '7'), maxLength: 20 }), (text) => {
      const bytes = fromBase32(text);
      if (bytes !== undefined) assert.equal(toBase32(bytes), text);
    }),
  );
  // RFC 4648, section 10.
  assert.equal(toBase32(Buffer.from('foobar')), 'mzxw6ytboi');
  assert.equal(toBase32(Buffer.from('f')), 'my');
});

test('a code of either kind is told apart', () => {
  assert.deepEqual(parseCode('4712-345-675'), {
    kind: 'pin',
    code: '4712345675',
    selector: '47',
    caSpkiSha256: undefined,
  });
  const token = makeJoinToken(randomBytes(32));
  assert.deepEqual(parseCode(token.code), { kind: 'token', ...token });
  assert.throws(() => parseCode('pjt2_abc'), malformed);
});
