/**
 * Flags of the runtime inside the binary. A young generation of the default size (3 x 16 MiB) fills before it is
 * collected, and every page of it is copied at each start of a program.
 */
export const EXEC_ARGV: readonly string[] = ['--max-semi-space-size=2'];
