import { createHmac } from 'node:crypto';
import type { Clock } from '../kernel/clock.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { CodeKind } from '../pake/context.ts';
import { type PakeVerifier, randomScalar, verifierPoint } from '../pake/spake2plus.ts';
import { SALT_BYTES } from '../pake/stretch.ts';

interface Spent {
  readonly window: number;
  /** How many codes of this selector were used up within the window. */
  codes: number;
  tries: number;
}

/** A code that does not exist, as a session holds it. */
export interface FakeCode {
  readonly selector: string;
  readonly window: number;
  readonly nth: number;
}

/**
 * What the daemon answers for selectors that no live code has: the same salt for a while, a verifier that nobody can
 * meet, and as many tries as a real PIN, so that neither answers nor their number tell which selectors are in use.
 */
export class FakeCodes {
  readonly #key: Buffer;
  readonly #clock: Clock;
  /** By PIN selector, of which there are 100. The tries of tokens are not counted. */
  readonly #spent = new Map<string, Spent>();
  /** L of all fakes: it never leaves this process, and y blinds what is made of it. */
  #l: Buffer | undefined;

  constructor(key: Buffer, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  begin(kind: CodeKind, selector: string): { readonly fake: FakeCode; readonly salt: Buffer } {
    const { window, codes } = this.#of(selector);
    const fake = { selector, window, nth: kind === 'pin' ? codes : 0 };
    const salt = createHmac('sha256', this.#key)
      .update(JSON.stringify([kind, fake.selector, fake.window, fake.nth]))
      .digest()
      .subarray(0, SALT_BYTES);
    return { fake, salt };
  }

  /** Takes a try; false: this code, had it been one, would be used up. */
  charge(kind: CodeKind, fake: FakeCode): boolean {
    if (kind === 'token') return true;
    const spent = this.#of(fake.selector);
    if (spent.window !== fake.window || spent.codes !== fake.nth) return false;
    spent.tries += 1;
    if (spent.tries >= LIMITS.pairingCodeTries) {
      spent.codes += 1;
      spent.tries = 0;
    }
    this.#spent.set(fake.selector, spent);
    return true;
  }

  verifier(): PakeVerifier {
    this.#l ??= verifierPoint(randomScalar());
    return { w0: randomScalar(), l: this.#l };
  }

  #of(selector: string): Spent {
    const window = Math.floor(this.#clock.now() / LIMITS.pairingCodeMs);
    const spent = this.#spent.get(selector);
    return spent?.window === window ? spent : { window, codes: 0, tries: 0 };
  }
}
