// The rules of the house as data, and what breaks them. Each exception says why; one that nothing needs is a fault too.
import { roomOf, type SourceFile } from './source-tree.ts';

/** Which rooms a room may import. A room that is not here may not exist. */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  kernel: [],
  // Leaves that several sides share.
  wire: ['kernel'],
  x509: ['kernel'],
  pake: ['kernel'],
  // The domain, on the store. Among themselves they only go one way.
  store: ['kernel'],
  audit: ['store', 'kernel'],
  dispatch: ['audit', 'store', 'kernel'],
  identity: ['audit', 'store', 'x509', 'kernel'],
  inventory: ['dispatch', 'audit', 'store', 'kernel'],
  pairing: ['identity', 'dispatch', 'audit', 'store', 'x509', 'pake', 'kernel'],
  // The edges.
  rpc: ['pairing', 'identity', 'inventory', 'dispatch', 'audit', 'store', 'x509', 'pake', 'kernel'],
  operator: ['pairing', 'identity', 'inventory', 'dispatch', 'audit', 'store', 'wire', 'kernel'],
  // The node's side: nothing of the daemon, but the client half of rpc.
  capabilities: ['kernel'],
  service: ['kernel'],
  node: ['capabilities', 'rpc', 'x509', 'pake', 'kernel'],
  // What puts them together.
  daemon: [
    'rpc',
    'operator',
    'pairing',
    'identity',
    'inventory',
    'dispatch',
    'audit',
    'store',
    'capabilities',
    'service',
    'wire',
    'x509',
    'pake',
    'kernel',
  ],
  cli: ['wire', 'kernel'],
  commands: ['cli', 'wire', 'kernel'],
  'commands/daemon': ['daemon', 'service', 'cli', 'wire', 'kernel'],
  'commands/node': ['node', 'service', 'cli', 'wire', 'kernel'],
  main: ['cli', 'kernel'],
  boot: [],
};

/** The rooms that know what the whole fleet does; nothing on a node or in an operator's command may reach them. */
export const DAEMON_ROOMS = ['daemon', 'operator', 'pairing', 'identity', 'inventory', 'dispatch', 'audit', 'store'];

/** Packages that only some rooms may import, and why. */
export const PACKAGES: readonly {
  readonly names: readonly string[];
  readonly rooms: readonly string[];
  readonly why: string;
}[] = [
  { names: ['kysely', 'node:sqlite', 'pg'], rooms: ['store'], why: 'only the store knows SQL' },
  {
    names: ['node:child_process', 'node:cluster', 'execa'],
    rooms: ['capabilities', 'service'],
    why: 'only capabilities and services start processes',
  },
  {
    names: ['@grpc/grpc-js', '@grpc/proto-loader', 'protobufjs'],
    rooms: ['rpc', 'node'],
    why: 'gRPC is the node port',
  },
  { names: ['hono', '@hono/node-server'], rooms: ['operator'], why: 'HTTP is the operator edge' },
  { names: ['node-forge'], rooms: ['x509'], why: 'ASN.1 is read and written in one place' },
  { names: ['@noble/curves'], rooms: ['pake'], why: 'no other arithmetic on curves' },
  { names: ['conf'], rooms: ['node'], why: 'it holds node-host.json' },
  { names: ['ulid', 'pino', 'write-file-atomic'], rooms: ['kernel'], why: 'wrapped once, for everybody' },
];

interface Exception {
  readonly path: string;
  readonly allows: string;
  readonly why: string;
}

const EXCEPTIONS: readonly Exception[] = [
  {
    path: 'src/kernel/home-lock.ts',
    allows: 'node:sqlite',
    why: 'its file lock is the one lock of the runtime that a crash releases; no table is read or written',
  },
  { path: 'src/kernel/clock.ts', allows: 'Date.now', why: 'it is the clock' },
  { path: 'src/kernel/clock.ts', allows: 'performance.now', why: 'it is the clock' },
  { path: 'src/kernel/clock.ts', allows: 'setTimeout', why: 'it is the clock' },
  { path: 'src/kernel/log.ts', allows: 'new Date', why: 'lines of a log carry the time of the machine' },
  { path: 'src/kernel/ids.ts', allows: 'let', why: 'a pool of random bytes: nothing depends on who drew which' },
  { path: 'src/main.ts', allows: 'statement', why: 'the entry of the program' },
  { path: 'src/boot/main.ts', allows: 'statement', why: 'the entry of the packed program' },
  { path: 'src/pairing/pake-worker.ts', allows: 'statement', why: 'the entry of a thread' },
  { path: 'src/daemon/serve-until-stopped.ts', allows: 'setInterval', why: 'keeps the process alive, does nothing' },
  { path: 'src/capabilities/processes/process-table.ts', allows: 'node:timers/promises', why: 'setImmediate only' },
  { path: 'src/node/pairing/pairing-client.ts', allows: 'Date.now', why: 'grpc-js takes deadlines as wall time' },
  { path: 'src/rpc/node-client.ts', allows: 'Date.now', why: 'grpc-js takes deadlines as wall time' },
];

// A command that ends at once shows ages against the wall clock; nothing waits for it.
const MAY_READ_THE_TIME = /^(src\/cli\/|commands\/)/;
// A migration is a list of tables and is never changed after a release.
const MAY_BE_LONG = /^src\/store\/migrations\//;
const LONGEST_FILE = 300;
const FEWEST_FILES = 350;

/** Every breach of the house rules, as a sentence each. */
export function breaches(files: readonly SourceFile[], fewest = FEWEST_FILES): string[] {
  const used = new Set<Exception>();
  const excepted = (path: string, what: string): boolean => {
    const exception = EXCEPTIONS.find((one) => one.path === path && one.allows === what);
    if (exception !== undefined) used.add(exception);
    return exception !== undefined;
  };
  const found = files.flatMap((file) => [
    ...arrowsOf(file),
    ...packagesOf(file, excepted),
    ...clocksOf(file, excepted),
    ...shapeOf(file, excepted),
  ]);
  const unused = EXCEPTIONS.filter((one) => !used.has(one) && files.some(({ path }) => path === one.path));
  return [
    ...(files.length < fewest ? [`only ${files.length} files were seen, at least ${fewest} are there`] : []),
    ...found,
    ...circles(files),
    ...reaches(files),
    ...unused.map(({ path, allows }) => `${path}: the exception for ${allows} is not needed any more`),
  ];
}

function arrowsOf({ path, room, files }: SourceFile): string[] {
  const may = ARROWS[room] ?? (room.startsWith('commands/') ? ARROWS['commands'] : undefined);
  if (may === undefined) return [`${path}: ${room} is not a room of the house`];
  return files
    .filter((target) => roomOf(target) !== room && !may.includes(roomOf(target)))
    .map((target) => `${path}: ${room} may not import ${roomOf(target)} (${target})`);
}

type Excepted = (path: string, what: string) => boolean;

function packagesOf({ path, room, packages }: SourceFile, excepted: Excepted): string[] {
  return packages.flatMap((name) =>
    PACKAGES.filter(({ names, rooms }) => names.includes(name) && !rooms.includes(room) && !excepted(path, name)).map(
      ({ why }) => `${path}: ${room} may not import ${name}: ${why}`,
    ),
  );
}

function clocksOf({ path, clocks }: SourceFile, excepted: Excepted): string[] {
  return clocks
    .filter((call) => !(call === 'Date.now' && MAY_READ_THE_TIME.test(path)) && !excepted(path, call))
    .map((call) => `${path}: ${call} beside kernel/clock.ts`);
}

function shapeOf({ path, room, lines, opaque, effects, hasDefaultExport }: SourceFile, excepted: Excepted): string[] {
  const isCommand = room.startsWith('commands');
  return [
    ...(lines > LONGEST_FILE && !MAY_BE_LONG.test(path) ? [`${path}: ${lines} lines, at most ${LONGEST_FILE}`] : []),
    ...(hasDefaultExport !== isCommand ? [`${path}: ${isCommand ? 'no' : 'a'} default export`] : []),
    ...opaque.map((kind) => `${path}: ${kind} of something that is not written down`),
    ...effects
      .filter((kind) => !excepted(path, kind))
      .map((kind) => `${path}: ${kind === 'statement' ? 'work at import' : `a ${kind} of the module`}`),
  ];
}

/** Files that import each other, each circle once, from its first name. */
function circles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push(`a circle: ${[...trail.slice(start), path].join(' -> ')}`);
    if (start >= 0 || done.has(path)) return;
    for (const target of byPath.get(path)?.files ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const { path } of files) visit(path, []);
  return found;
}

/** What a node or an operator's command gets to through others. */
function reaches(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const outside = ['node', 'capabilities', 'service', 'cli', 'wire', 'x509', 'pake'];
  const from = files.filter(
    ({ room }) => outside.includes(room) || (room.startsWith('commands/') && room !== 'commands/daemon'),
  );
  return from.flatMap(({ path }) => {
    const cameFrom = new Map<string, string>([[path, '']]);
    for (const seen of cameFrom.keys()) {
      if (DAEMON_ROOMS.includes(roomOf(seen))) return [`${path}: reaches ${seen} through ${cameFrom.get(seen)}`];
      for (const target of byPath.get(seen)?.files ?? []) if (!cameFrom.has(target)) cameFrom.set(target, seen);
    }
    return [];
  });
}
