import * as Flags from '@oclif/core/flags';
import ms, { type StringValue } from 'ms';
import { PalyraError } from '../kernel/errors.ts';

const DURATION = /^\d+(\.\d+)?\s*(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)$/i;

/** `30s`, `5m`, `1.5h` as whole milliseconds. A bare number is refused: nobody knows of what. Errors: `usage`. */
export function parseDuration(text: string, longestMs: number): number {
  if (!DURATION.test(text.trim())) {
    const unit = /^\d+(\.\d+)?$/.test(text.trim()) ? ` (${text.trim()}s for seconds)` : '';
    throw new PalyraError('usage', `${JSON.stringify(text)} is not a duration${unit}`, {
      hint: 'write it as 500ms, 30s, 5m, 2h or 7d',
    });
  }
  const value = Math.round(ms(text.trim() as StringValue));
  if (value < 1 || value > longestMs) {
    throw new PalyraError('usage', `${text} is out of range: more than nothing, at most ${ms(longestMs)}`);
  }
  return value;
}

/** A flag that takes a duration. */
export const durationFlag = Flags.custom<number, { readonly longestMs: number }>({
  helpValue: 'D',
  parse: async (text, _context, { longestMs }) => parseDuration(text, longestMs),
});
