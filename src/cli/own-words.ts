/** The words of a command line that are ours: what follows the first `--` belongs to the remote program. */
export function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end < 0 ? argv : argv.slice(0, end);
}
