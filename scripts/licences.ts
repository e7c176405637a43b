// Whether everything that ships may ship, and dist/THIRD-PARTY.txt: who made it and under which terms.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);

/** Terms that ask for a notice and nothing else. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
]);
// Packages that carry the Node of a platform: one of them is the better part of the binary.
const RUNTIME = /^node_modules\/node-/;
const LICENCE_FILE = /^(licen[cs]e|copying|notice)([.-].*)?$/i;

export interface Shipped {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Where it lies, relative to the root. */
  readonly path: string;
}

interface LockedPackage {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

/** Everything of package-lock.json that is in the binary, by name and version. */
export function shipped(): readonly Shipped[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  return Object.entries(packages)
    .filter(([path, { dev, optional }]) => path !== '' && dev !== true && (optional !== true || isHere(path)))
    .map(([path, { version, license }]) => ({
      name: path.split('node_modules/').at(-1) ?? path,
      version,
      licence: license ?? 'none',
      path,
    }))
    .sort((a, b) => (`${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1));
}

const isHere = (path: string): boolean => RUNTIME.test(path) && existsSync(join(root, path));

/** Whether an SPDX expression lets us choose terms that are allowed. Nothing but OR, AND and brackets is understood. */
export function isAllowed(expression: string): boolean {
  const text = expression.trim();
  const either = split(text, ' OR ');
  if (either.length > 1) return either.some(isAllowed);
  const all = split(text, ' AND ');
  if (all.length > 1) return all.every(isAllowed);
  if (text.startsWith('(') && text.endsWith(')')) return isAllowed(text.slice(1, -1));
  return ALLOWED.has(text);
}

/** Parts between an operator that stands outside of brackets. */
function split(text: string, operator: string): string[] {
  const parts = [''];
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1;
    if (text[at] === ')') depth -= 1;
    if (depth === 0 && text.startsWith(operator, at)) {
      parts.push('');
      at += operator.length - 1;
    } else parts.push((parts.pop() ?? '') + text.charAt(at));
  }
  return parts;
}

/** The text of the notices: each package with its terms as it gives them. */
export function notices(all: readonly Shipped[]): string {
  const parts = all.map(({ name, version, licence, path }) => {
    const texts = readdirSync(join(root, path))
      .filter((file) => LICENCE_FILE.test(file))
      .sort()
      .map((file) => readFileSync(join(root, path, file), 'utf8').trim());
    const terms =
      texts.length > 0 ? texts.join('\n\n') : `${licence}; the package has no text of it. By ${authorOf(path)}.`;
    return `${'='.repeat(80)}\n${name} ${version} (${licence})\n${'='.repeat(80)}\n\n${terms}\n`;
  });
  return `Palyra contains the following works of others, each under its own terms.\n\n${parts.join('\n')}`;
}

function authorOf(path: string): string {
  const { author } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')) as {
    readonly author?: string | { readonly name?: string };
  };
  return (typeof author === 'string' ? author : author?.name) ?? 'its contributors';
}

if (import.meta.main) {
  const all = shipped();
  const refused = all.filter(({ licence }) => !isAllowed(licence));
  for (const { name, version, licence } of refused) {
    process.stderr.write(`${name} ${version}: ${licence} is not among ${[...ALLOWED].join(', ')}\n`);
  }
  if (refused.length > 0) process.exit(1);
  mkdirSync(join(root, 'dist'), { recursive: true });
  writeFileSync(join(root, 'dist', 'THIRD-PARTY.txt'), notices(all));
  process.stderr.write(`licences: ${all.length} packages, dist/THIRD-PARTY.txt\n`);
}
