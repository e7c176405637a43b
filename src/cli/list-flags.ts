import * as Flags from '@oclif/core/flags';
import { LIMITS } from '../kernel/limits.ts';

/** Paging of a list. */
export const pageFlags = {
  limit: Flags.integer({
    summary: 'Rows of one page.',
    min: 1,
    max: LIMITS.pageRowsLargest,
    helpGroup: 'OUTPUT',
    helpValue: 'N',
  }),
  cursor: Flags.string({ summary: 'Where the page before ended.', helpGroup: 'OUTPUT', helpValue: 'CURSOR' }),
};
