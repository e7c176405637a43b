// Runs the bundled program through its common paths and keeps V8's compiled code of each chunk in dist/cache.
// The cache fits only the very Node (version, platform, flags) that ran this script. Nothing here touches a network.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ChunkLoader } from '../src/boot/chunks.ts';
import type { run } from '../src/cli/run.ts';

const dist = join(dirname(import.meta.dirname), 'dist');
const code = join(dist, 'code');
const loader = new ChunkLoader({
  cache: () => undefined,
  folder: code,
  source: (name) => readFileSync(join(code, name), 'utf8'),
});
const names = readdirSync(code);
const home = mkdtempSync(join(tmpdir(), 'palyra-cache-'));
process.env['PALYRA_HOME'] = home;
const [out, err] = [process.stdout.write.bind(process.stdout), process.stderr.write.bind(process.stderr)];
process.stdout.write = () => true;
process.stderr.write = () => true;
process.argv = [process.execPath, process.execPath, '--version'];
for (const name of ['main.cjs', ...names]) loader.require(`./${name}`);
interface Cli {
  readonly run: typeof run;
}
// Commands may be called run, too.
const cli = names
  .filter((name) => name.startsWith('run-'))
  .map((name) => loader.require(`./${name}`) as Partial<Cli>)
  .find((chunk): chunk is Cli => typeof chunk.run === 'function');
if (cli === undefined) throw new Error('no chunk has the entry of the command line');
for (const words of [
  ['--help'],
  ['node', '--help'],
  ['node', 'status'],
  ['node', 'status', '--json'],
  ['nodes', 'list'],
  ['nodes', 'exec', 'none', '--', 'true'],
]) {
  await cli.run(words);
}
process.stdout.write = out;
process.stderr.write = err;
process.exitCode = 0;
rmSync(home, { recursive: true });
rmSync(join(dist, 'cache'), { force: true, recursive: true });
mkdirSync(join(dist, 'cache'));
let bytes = 0;
for (const [name, script] of loader.scripts) {
  const data = script.createCachedData();
  bytes += data.length;
  writeFileSync(join(dist, 'cache', name), data);
}
process.stderr.write(`code cache: ${loader.scripts.size} chunks, ${bytes} bytes\n`);
