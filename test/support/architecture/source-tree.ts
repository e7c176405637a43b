// The sources as data: what each file imports, what it exports and which clocks it reads. From the syntax tree, so that
// comments, strings and type imports are told apart from what they look like.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { parseAst } from 'rolldown/parseAst';

export interface SourceFile {
  /** Relative to the root, with slashes. */
  readonly path: string;
  /** `kernel`, `store`, …, `commands/daemon`, `main`, `boot`. */
  readonly room: string;
  readonly lines: number;
  /** Paths of the tree's own files, also of those that are generated. */
  readonly files: readonly string[];
  /** Names of packages and of built-ins (`node:fs`). */
  readonly packages: readonly string[];
  /** Imports whose target is not written down as text. */
  readonly opaque: readonly string[];
  /** `Date.now`, `new Date`, `setTimeout`, … in the order of their appearance. */
  readonly clocks: readonly string[];
  readonly hasDefaultExport: boolean;
  /** What is done or kept by the mere import of the file: statements, and variables of the module. */
  readonly effects: readonly string[];
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

const TIMERS = new Set(['setTimeout', 'setInterval']);

/** Every hand-written `.ts` file under the folders of a root. */
export function readTree(root: string, folders: readonly string[]): readonly SourceFile[] {
  return folders
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !path.includes('/generated/') && !path.startsWith('src/console/'))
    .sort()
    .map((path) => readSource(path, readFileSync(join(root, path), 'utf8')));
}

/** The facts of one file. */
export function readSource(path: string, text: string): SourceFile {
  const found = { files: [] as string[], packages: [] as string[], opaque: [] as string[], clocks: [] as string[] };
  let hasDefaultExport = false;
  const program = parseAst(text, { lang: 'ts' }, path);
  for (const node of nodesOf(program)) {
    hasDefaultExport ||= node.type === 'ExportDefaultDeclaration';
    const clock = clockOf(node);
    if (clock !== undefined) found.clocks.push(clock);
    const target = importOf(node);
    if (target === undefined) continue;
    if (typeof target !== 'string') found.opaque.push(node.type);
    else if (target.startsWith('.')) found.files.push(posix.join(dirname(path), target));
    else found.packages.push(packageOf(target));
  }
  return {
    path,
    room: roomOf(path),
    lines: text.split('\n').length - 1,
    hasDefaultExport,
    effects: effectsOf(program.body),
    ...found,
  };
}

/** The room of a path: the folder under `src`, or `commands/<topic>`. */
export function roomOf(path: string): string {
  const [top, second = '', third] = path.split('/');
  if (top === 'commands') return third === undefined ? 'commands' : `commands/${second}`;
  return third === undefined ? second.replace(/\.ts$/, '') : second;
}

const QUIET_STATEMENT = /^(Import|Export|TS|FunctionDeclaration|ClassDeclaration)/;

function effectsOf(statements: readonly unknown[]): string[] {
  return (statements as readonly Node[]).flatMap((statement) => {
    const declared = (statement['declaration'] ?? statement) as Node;
    if (declared.type === 'VariableDeclaration') return declared['kind'] === 'const' ? [] : [String(declared['kind'])];
    return QUIET_STATEMENT.test(statement.type) ? [] : ['statement'];
  });
}

function* nodesOf(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const item of value) yield* nodesOf(item);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  if ('type' in value && typeof value.type === 'string') yield value as Node;
  for (const inner of Object.values(value)) yield* nodesOf(inner);
}

/** What a node imports: its text, null where it is computed, undefined where it imports nothing. */
function importOf(node: Node): string | null | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ImportExpression':
    case 'TSImportType':
    case 'ExportAllDeclaration':
      return literal(node['source']);
    case 'ExportNamedDeclaration':
      return node['source'] === null ? undefined : literal(node['source']);
    case 'TSExternalModuleReference':
      return literal(node['expression']);
    case 'CallExpression':
      return nameOf(node['callee']) === 'require' ? literal((node['arguments'] as Node[])[0]) : undefined;
    default:
      return undefined;
  }
}

const literal = (node: unknown): string | null => {
  const { value } = (node ?? {}) as { readonly value?: unknown };
  return typeof value === 'string' ? value : null;
};

function clockOf(node: Node): string | undefined {
  const callee = nameOf(node['callee']);
  if (node.type === 'NewExpression' && callee === 'Date') {
    return (node['arguments'] as Node[]).length === 0 ? 'new Date' : undefined;
  }
  if (node.type === 'CallExpression' && (callee === 'Date.now' || callee === 'performance.now')) return callee;
  if (node.type === 'CallExpression' && callee !== undefined && TIMERS.has(callee)) return callee;
  const { value } = (node['source'] ?? {}) as { readonly value?: unknown };
  return node.type === 'ImportDeclaration' && String(value).startsWith('node:timers') ? String(value) : undefined;
}

function nameOf(node: unknown): string | undefined {
  const { type, name, object, property } = (node ?? {}) as Readonly<Record<string, unknown>>;
  if (type === 'Identifier') return String(name);
  if (type !== 'MemberExpression') return undefined;
  const [left, right] = [nameOf(object), nameOf(property)];
  return left === undefined || right === undefined ? undefined : `${left}.${right}`;
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}
