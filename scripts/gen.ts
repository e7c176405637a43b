// Makes what is derived from the sources: the command map, the wire contract as JSON with its types, the command
// manifest, and the assets of the binary. `npm run gen`; every other script starts with it.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { Plugin } from '@oclif/core';
import protobuf from 'protobufjs';
import { rolldown } from 'rolldown';
import { PJSON } from '../src/cli/pjson.ts';
import { PROTO_OPTIONS } from '../src/rpc/proto-options.ts';

const root = dirname(import.meta.dirname);
const assets = join(root, 'dist', 'assets');

/** Writes only what changed, so that nothing is rebuilt for its date. */
function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text);
}

function commandIds(): string[] {
  return readdirSync(join(root, 'commands'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(join(root, 'commands'), join(entry.parentPath, entry.name)).slice(0, -'.ts'.length))
    .map((path) => path.split(sep).join('/'))
    .sort();
}

function commandMap(paths: readonly string[]): string {
  const rows = paths.map(
    (path) => `  '${path.replaceAll('/', ':').replace(/:index$/, '')}': () => import('../../../commands/${path}.ts'),`,
  );
  return `import type { Command } from '@oclif/core';

type Loader = () => Promise<{ default: Command.Class }>;

/** Every command and the module that holds it. Nothing is loaded until it is asked for. */
export const COMMANDS: Readonly<Record<string, Loader>> = {
${rows.join('\n')}
};
`;
}

function wireContract(): void {
  const files = readdirSync(join(root, 'proto', 'palyra', 'node', 'v1')).map((name) => `palyra/node/v1/${name}`);
  const proto = new protobuf.Root();
  proto.resolvePath = (_origin, target) => join(root, 'proto', target);
  proto.loadSync(files, { keepCase: PROTO_OPTIONS.keepCase }).resolveAll();
  write(join(assets, 'node.proto.json'), JSON.stringify(proto.toJSON()));
  const generated = join(root, 'src', 'rpc', 'generated');
  const stamp = join(generated, 'stamp.txt');
  const sources = files.map((file) => readFileSync(join(root, 'proto', file), 'utf8')).join('');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return;
  rmSync(generated, { recursive: true, force: true });
  execFileSync(process.execPath, [
    join(root, 'node_modules', '@grpc', 'proto-loader', 'build', 'bin', 'proto-loader-gen-types.js'),
    '--keepCase',
    '--longs=Number',
    '--enums=String',
    '--oneofs',
    '--grpcLib=@grpc/grpc-js',
    '--importFileExtension=.ts',
    `--includeDirs=${join(root, 'proto')}`,
    `--outDir=${generated}`,
    ...files,
  ]);
  write(stamp, sources);
}

async function manifest(): Promise<number> {
  const { COMMANDS } = await import('../src/cli/generated/command-map.ts');
  const classes = await Promise.all(Object.entries(COMMANDS).map(async ([id, load]) => [id, (await load()).default]));
  // oclif's own loader makes the manifest; it wants a module that exports the classes.
  const listing = join(root, 'dist', 'commands.mjs');
  writeFileSync(listing, 'export const commands = globalThis.palyraCommands;\n');
  Object.assign(globalThis, { palyraCommands: Object.fromEntries(classes) });
  const oclif = {
    ...PJSON.oclif,
    commands: { identifier: 'commands', strategy: 'explicit' as const, target: './dist/commands.mjs' },
  };
  const plugin = new Plugin({
    errorOnManifestCreate: true,
    ignoreManifest: true,
    isRoot: true,
    pjson: { ...PJSON, oclif },
    root,
  });
  await plugin.load();
  rmSync(listing);
  write(join(assets, 'oclif.manifest.json'), JSON.stringify(plugin.manifest));
  return plugin.commandIDs.length;
}

/** Code of worker threads: one file each, since a thread starts from text wherever the program runs from. */
async function workers(): Promise<void> {
  for (const [name, entry] of [['pake', 'src/pairing/pake-worker.ts']] as const) {
    const bundle = await rolldown({ input: join(root, entry), platform: 'node' });
    const { output } = await bundle.generate({ format: 'cjs', minify: true });
    write(join(assets, 'workers', `${name}.cjs`), output[0].code);
  }
}

mkdirSync(assets, { recursive: true });
write(join(root, 'src', 'cli', 'generated', 'command-map.ts'), commandMap(commandIds()));
wireContract();
cpSync(join(root, 'installers', 'templates'), join(assets, 'installers'), { recursive: true });
await workers();
const count = await manifest();
process.stderr.write(`gen: ${count} commands, assets in dist/assets\n`);
