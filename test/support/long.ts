/** Whether the long form of fuzzers, statistics and loops is asked for (`npm run test:long`). */
export const LONG = process.env['PALYRA_TEST_LONG'] === '1';

/** The count of this run: small by default, the full one in the long form. */
export const rounds = (small: number, full: number): number => (LONG ? full : small);
