import { StringDecoder } from 'node:string_decoder';

type State = 'text' | 'escape' | 'sequence' | 'string' | 'string_escape';

const ESCAPE = 0x1b;
const BELL = 0x07;
const STRING_TERMINATOR = 0x9c;
const CSI = 0x9b;
// DCS, SOS, OSC, PM, APC: a string up to its terminator.
const STRING_STARTS = new Set([0x90, 0x98, 0x9d, 0x9e, 0x9f]);
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Takes everything out of a remote program's output that a terminal would obey: C0 but for tab and newline, C1, escape
 * sequences (also ones cut in two by the transport) and marks of the writing direction. One filter per stream.
 */
export class TerminalFilter {
  readonly #decoder = new StringDecoder('utf8');
  #state: State = 'text';
  #carriageReturn = false;

  /** What of these bytes may be shown. */
  filter(bytes: Buffer): string {
    let shown = '';
    for (const letter of this.#decoder.write(bytes)) shown += this.#letter(letter, letter.codePointAt(0) ?? 0);
    return shown.replace(DIRECTION, '');
  }

  #letter(letter: string, code: number): string {
    switch (this.#state) {
      case 'text':
        return this.#text(letter, code);
      case 'escape':
        this.#state = this.#afterEscape(letter, code);
        return '';
      case 'sequence':
        // Parameters and intermediates go on; a final byte ends it, and so does anything that cannot be inside.
        if (code >= 0x40 || code < 0x20) this.#state = code === ESCAPE ? 'escape' : 'text';
        return code === 0x0a ? letter : '';
      case 'string':
        if (code === BELL || code === STRING_TERMINATOR) this.#state = 'text';
        else if (code === ESCAPE) this.#state = 'string_escape';
        return '';
      case 'string_escape':
        this.#state = letter === '\\' ? 'text' : this.#afterEscape(letter, code);
        return '';
    }
  }

  #text(letter: string, code: number): string {
    const afterReturn = this.#carriageReturn;
    this.#carriageReturn = letter === '\r';
    if (letter === '\r') return '';
    // A lone carriage return starts a new line instead of overwriting what stands there.
    const lead = afterReturn && letter !== '\n' ? '\n' : '';
    if (letter === '\n' || letter === '\t' || (code >= 0x20 && code < 0x7f) || code > 0x9f) return lead + letter;
    if (code === ESCAPE) this.#state = 'escape';
    else if (code === CSI) this.#state = 'sequence';
    else if (STRING_STARTS.has(code)) this.#state = 'string';
    return lead;
  }

  #afterEscape(letter: string, code: number): State {
    if (letter === '[') return 'sequence';
    if (letter === ']' || letter === 'P' || letter === 'X' || letter === '^' || letter === '_') return 'string';
    if (code === ESCAPE) return 'escape';
    // ESC with intermediates (0x20-0x2f) goes on to its final byte.
    return code >= 0x20 && code <= 0x2f ? 'sequence' : 'text';
  }
}
