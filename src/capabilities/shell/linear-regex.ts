import { type CharacterTest, parseLinearRegex, type Syntax } from './linear-regex-parser.ts';

const MOST_STATES = 2000;
/** Longer arguments fit no pattern: with it the work for one argument is bounded. */
const MOST_CHARACTERS = 4096;

type State =
  | { readonly type: 'char'; readonly test: CharacterTest; readonly next: number }
  | { readonly type: 'split'; readonly next: readonly number[] }
  | { readonly type: 'accept' };

/**
 * Compiles a pattern that has to fit the whole text. It is run as a set of states (Thompson), so its time grows with
 * the text, never exponentially, whatever pattern the owner wrote. Throws SyntaxError for what it cannot have.
 */
export function linearRegex(pattern: string): (text: string) => boolean {
  const states: State[] = [];
  const start = emit(states, parseLinearRegex(pattern), add(states, { type: 'accept' }));
  return (text) => run(states, start, text);
}

function add(states: State[], state: State): number {
  if (states.length >= MOST_STATES) throw new SyntaxError('it is too large');
  return states.push(state) - 1;
}

/** Adds the states of `syntax`, which lead to `next`; gives the first of them. */
function emit(states: State[], syntax: Syntax, next: number): number {
  switch (syntax.type) {
    case 'char':
      return add(states, { type: 'char', test: syntax.test, next });
    case 'sequence':
      return syntax.parts.reduceRight((after, part) => emit(states, part, after), next);
    case 'choice':
      return add(states, { type: 'split', next: syntax.options.map((option) => emit(states, option, next)) });
    case 'repeat':
      return emitRepeat(states, syntax, next);
  }
}

function emitRepeat(states: State[], { body, least, most }: Syntax & { type: 'repeat' }, next: number): number {
  let start = next;
  if (most === Number.POSITIVE_INFINITY) {
    const targets: number[] = [next];
    start = add(states, { type: 'split', next: targets });
    targets.push(emit(states, body, start));
  } else {
    for (let left = most - least; left > 0; left -= 1) {
      start = add(states, { type: 'split', next: [emit(states, body, start), next] });
    }
  }
  for (let left = least; left > 0; left -= 1) start = emit(states, body, start);
  return start;
}

function run(states: readonly State[], start: number, text: string): boolean {
  if (text.length > MOST_CHARACTERS) return false;
  let current = reach(states, [start]);
  for (const character of text) {
    const code = character.codePointAt(0) ?? -1;
    const next: number[] = [];
    for (const index of current) {
      const state = states[index];
      if (state?.type === 'char' && state.test(code)) next.push(state.next);
    }
    if (next.length === 0) return false;
    current = reach(states, next);
  }
  for (const index of current) if (states[index]?.type === 'accept') return true;
  return false;
}

/** All states that can be reached from these without reading a character. */
function reach(states: readonly State[], from: readonly number[]): Set<number> {
  const reached = new Set<number>();
  const open = [...from];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (reached.has(index)) continue;
    reached.add(index);
    const state = states[index];
    if (state?.type === 'split') open.push(...state.next);
  }
  return reached;
}
