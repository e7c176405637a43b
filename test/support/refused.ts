import assert from 'node:assert/strict';
import type { CliEnd } from './run-cli.ts';

/** A command that was refused as it should be: its exit code, its error, what to do next, and no stack of ours. */
export function refused({ code, stderr }: CliEnd, exit: number, error: string): void {
  assert.equal(code, exit, stderr);
  assert.match(stderr, new RegExp(`\\[${error}\\]`));
  assert.match(stderr, /hint: \S/, 'it says what to do');
  assert.doesNotMatch(stderr, /\n\s+at /, 'no stack');
}
