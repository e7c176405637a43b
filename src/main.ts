// The entry of the binary. `--version` is answered before anything else is loaded.
import { VERSION } from './kernel/version.ts';

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-v')) {
  process.stdout.write(`palyra/${VERSION} ${process.platform}-${process.arch} node-${process.version}\n`);
} else {
  void import('./cli/run.ts').then((cli) => cli.run(argv));
}
