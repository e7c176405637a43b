import { randomInt } from 'node:crypto';
import { PalyraError } from '../kernel/errors.ts';
import { damm } from './damm.ts';

// A PIN is 10 digits: 2 public ones that find its row, 7 secret ones, 1 check digit.
const SELECTOR_DIGITS = 2;
const SECRET_DIGITS = 7;
const PIN_DIGITS = SELECTOR_DIGITS + SECRET_DIGITS + 1;

/** A PIN that is well formed. */
export interface Pin {
  /** Ten digits: the password of the exchange. */
  readonly code: string;
  readonly selector: string;
}

/** Every selector there is: 00 to 99. */
export const pinSelectors = (): string[] =>
  Array.from({ length: 10 ** SELECTOR_DIGITS }, (_, n) => String(n).padStart(SELECTOR_DIGITS, '0'));

/** A new PIN under a free selector. */
export function makePin(selector: string): Pin {
  const secret = String(randomInt(10 ** SECRET_DIGITS)).padStart(SECRET_DIGITS, '0');
  const body = `${selector}${secret}`;
  return { code: `${body}${damm(body)}`, selector };
}

/** `4712345675` as it is shown: `4712-345-675`. */
export const showPin = ({ code }: Pin): string => `${code.slice(0, 4)}-${code.slice(4, 7)}-${code.slice(7)}`;

/**
 * Reads a typed PIN; spaces, dots and dashes don't matter. Throws `pin_malformed`, which costs no try: nothing was
 * sent. The message never repeats what was typed.
 */
export function parsePin(typed: string): Pin {
  const code = typed.replace(/[\s.\-\u2010-\u2015\u2212]/gu, '');
  if (!/^\d*$/.test(code)) {
    throw malformed('a PIN has digits only, but this has other characters', 'type it as it was shown: 4712-345-675');
  }
  if (code.length !== PIN_DIGITS) {
    throw malformed(
      `a PIN has ${PIN_DIGITS} digits, this has ${code.length}`,
      'type it as it was shown, ten digits: 4712-345-675',
    );
  }
  if (damm(code) !== '0') {
    throw malformed(
      'a digit of the PIN is wrong, or two are swapped',
      'compare it with what `palyra pairing code` printed; nothing was sent and no try was used',
    );
  }
  return { code, selector: code.slice(0, SELECTOR_DIGITS) };
}

const malformed = (message: string, hint: string): PalyraError => new PalyraError('pin_malformed', message, { hint });
