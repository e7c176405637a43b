// The grammar of argument patterns: what RE2 and JavaScript both read the same way, without back-references,
// look-around, laziness and inner anchors.

/** Whether a code point is one of a set. */
export type CharacterTest = (code: number) => boolean;

export type Syntax =
  | { readonly type: 'char'; readonly test: CharacterTest }
  | { readonly type: 'sequence'; readonly parts: readonly Syntax[] }
  | { readonly type: 'choice'; readonly options: readonly Syntax[] }
  | { readonly type: 'repeat'; readonly body: Syntax; readonly least: number; readonly most: number };

const MOST_REPEATS = 256;
const MOST_DEPTH = 32;

const between =
  (low: number, high: number): CharacterTest =>
  (code) =>
    code >= low && code <= high;
const anyOf =
  (tests: readonly CharacterTest[]): CharacterTest =>
  (code) =>
    tests.some((test) => test(code));
const not =
  (test: CharacterTest): CharacterTest =>
  (code) =>
    !test(code);

const DIGIT = between(0x30, 0x39);
const WORD = anyOf([DIGIT, between(0x41, 0x5a), between(0x61, 0x7a), between(0x5f, 0x5f)]);
const SPACE: CharacterTest = (code) => /\s/u.test(String.fromCodePoint(code));
const NEWLINE = anyOf([between(0x0a, 0x0a), between(0x0d, 0x0d), between(0x2028, 0x2029)]);
const CLASSES: Readonly<Record<string, CharacterTest>> = {
  d: DIGIT,
  D: not(DIGIT),
  w: WORD,
  W: not(WORD),
  s: SPACE,
  S: not(SPACE),
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 };

/** Parses a pattern; throws SyntaxError with a sentence about what it cannot have. */
export function parseLinearRegex(pattern: string): Syntax {
  return new Parser(Array.from(withoutAnchors(pattern))).whole();
}

/** `^` and `$` at the ends are allowed, for people who always write them. */
function withoutAnchors(pattern: string): string {
  const end = /(\\*)\$$/.exec(pattern);
  const anchored = end !== null && (end[1] ?? '').length % 2 === 0;
  return pattern.slice(pattern.startsWith('^') ? 1 : 0, anchored ? -1 : undefined);
}

class Parser {
  readonly #text: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(text: readonly string[]) {
    this.#text = text;
  }

  whole(): Syntax {
    const syntax = this.#choice();
    if (this.#at < this.#text.length) throw new SyntaxError('an unmatched )');
    return syntax;
  }

  get #next(): string | undefined {
    return this.#text[this.#at];
  }

  #take(): string {
    const character = this.#next;
    if (character === undefined) throw new SyntaxError('it ends too early');
    this.#at += 1;
    return character;
  }

  #choice(): Syntax {
    this.#depth += 1;
    if (this.#depth > MOST_DEPTH) throw new SyntaxError('groups are nested too deep');
    const options = [this.#sequence()];
    while (this.#next === '|') {
      this.#at += 1;
      options.push(this.#sequence());
    }
    this.#depth -= 1;
    const [first] = options;
    return options.length === 1 && first !== undefined ? first : { type: 'choice', options };
  }

  #sequence(): Syntax {
    const parts: Syntax[] = [];
    while (this.#next !== undefined && this.#next !== '|' && this.#next !== ')') parts.push(this.#repeated());
    return { type: 'sequence', parts };
  }

  #repeated(): Syntax {
    const body = this.#atom();
    const range = this.#quantifier();
    if (range === undefined) return body;
    if (this.#next !== undefined && /[*+?{]/.test(this.#next)) {
      throw new SyntaxError('lazy, possessive or doubled repeats are not possible');
    }
    return { type: 'repeat', body, ...range };
  }

  #quantifier(): { least: number; most: number } | undefined {
    switch (this.#next) {
      case '*':
        this.#at += 1;
        return { least: 0, most: Number.POSITIVE_INFINITY };
      case '+':
        this.#at += 1;
        return { least: 1, most: Number.POSITIVE_INFINITY };
      case '?':
        this.#at += 1;
        return { least: 0, most: 1 };
      case '{': {
        const text = this.#text.slice(this.#at, this.#at + 12).join('');
        const found = /^\{(\d{1,4})(,?)(\d{0,4})\}/.exec(text);
        if (found === null) throw new SyntaxError('a { that begins no count: write \\{');
        this.#at += found[0].length;
        const least = Number(found[1]);
        const open = found[2] === ',' && found[3] === '';
        const most = open ? Number.POSITIVE_INFINITY : found[3] === '' ? least : Number(found[3]);
        if (most < least) throw new SyntaxError(`a count of ${least} to ${most}`);
        if (least > MOST_REPEATS || (!open && most > MOST_REPEATS)) {
          throw new SyntaxError(`a count above ${MOST_REPEATS}`);
        }
        return { least, most };
      }
      case undefined:
      default:
        return undefined;
    }
  }

  #atom(): Syntax {
    const character = this.#take();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return { type: 'char', test: this.#set() };
      case '.':
        return { type: 'char', test: not(NEWLINE) };
      case '\\':
        return { type: 'char', test: this.#escape() };
      case '^':
      case '$':
        throw new SyntaxError(`${character} inside: a pattern always fits the whole argument`);
      case '*':
      case '+':
      case '?':
      case '{':
      case '}':
      case ']':
        throw new SyntaxError(`a ${character} that stands alone: write \\${character}`);
      default:
        return { type: 'char', test: literal(character) };
    }
  }

  #group(): Syntax {
    if (this.#next === '?') {
      this.#at += 1;
      if (this.#take() !== ':') throw new SyntaxError('look-around, names and flags are not possible: only (?:');
    }
    const body = this.#choice();
    if (this.#next !== ')') throw new SyntaxError('a group that is not closed');
    this.#at += 1;
    return body;
  }

  #escape(): CharacterTest {
    const character = this.#take();
    const known = CLASSES[character];
    if (known !== undefined) return known;
    const control = CONTROLS[character];
    if (control !== undefined) return between(control, control);
    if (/[\^$\\.*+?()[\]{}|/-]/.test(character)) return literal(character);
    throw new SyntaxError(`\\${character} is not possible`);
  }

  #set(): CharacterTest {
    const negative = this.#next === '^';
    if (negative) this.#at += 1;
    const tests: CharacterTest[] = [];
    while (this.#next !== ']') {
      const first = this.#member();
      if (this.#next !== '-' || this.#text[this.#at + 1] === ']' || this.#text[this.#at + 1] === undefined) {
        tests.push(first.test);
        continue;
      }
      this.#at += 1;
      const last = this.#member();
      if (first.code === undefined || last.code === undefined || last.code < first.code) {
        throw new SyntaxError('a range in [] that is none');
      }
      tests.push(between(first.code, last.code));
    }
    this.#at += 1;
    const test = anyOf(tests);
    return negative ? not(test) : test;
  }

  #member(): { test: CharacterTest; code: number | undefined } {
    const character = this.#take();
    if (character !== '\\') return { test: literal(character), code: codeOf(character) };
    const escaped = this.#next ?? '';
    const test = this.#escape();
    const code = CLASSES[escaped] === undefined ? (CONTROLS[escaped] ?? codeOf(escaped)) : undefined;
    return { test, code };
  }
}

const codeOf = (character: string): number => character.codePointAt(0) ?? -1;
const literal = (character: string): CharacterTest => between(codeOf(character), codeOf(character));
