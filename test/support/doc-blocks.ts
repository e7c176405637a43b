// The documentation as data: its fenced command blocks, and every command line of ours that it shows.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const DOC_FILES: readonly string[] = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'];

export interface DocBlock {
  /** `docs/security.md:12`, the line of the fence. */
  readonly at: string;
  /** Where a test runs it; `shown`: only its commands and flags are looked at. */
  readonly run: 'daemon' | 'node' | 'shown';
  /** Why it is only shown. */
  readonly reason: string | undefined;
  readonly text: string;
}

export interface CommandLine {
  readonly at: string;
  /** What follows `palyra`, up to the `--` of a remote program. */
  readonly words: readonly string[];
}

interface Document {
  readonly path: string;
  readonly text: string;
}

export function readDocuments(root: string): readonly Document[] {
  const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  return [...DOC_FILES, ...pages.sort().map((name) => `docs/${name}`)].map((path) => ({
    path,
    text: readFileSync(join(root, path), 'utf8'),
  }));
}

const FENCE = /^```(\w*)$/;
const MARK = /^<!-- (?:run on the (daemon|node)|not run: (.+)) -->$/;

/**
 * The `sh` blocks of a page. A comment right before one says where it runs, or why it does not:
 * `<!-- run on the node -->`, `<!-- not run: needs systemd -->`. Without one it runs where the daemon is.
 */
export function blocksOf({ path, text }: Document): DocBlock[] {
  const lines = text.split('\n');
  const blocks: DocBlock[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const language = FENCE.exec(lines[at] ?? '')?.[1];
    if (language === undefined) continue;
    const end = lines.indexOf('```', at + 1);
    if (end < 0) throw new Error(`${path}:${at + 1}: a fence without an end`);
    const [, where, reason] = MARK.exec(lines[at - 1] ?? '') ?? [];
    if (language === 'sh') {
      const run = reason !== undefined ? 'shown' : where === 'node' ? 'node' : 'daemon';
      blocks.push({ at: `${path}:${at + 1}`, run, reason, text: lines.slice(at + 1, end).join('\n') });
    }
    at = end;
  }
  return blocks;
}

/** Every command line of ours in a page: in its `sh` blocks, and as `palyra …` within its prose. */
export function commandLinesOf(document: Document): CommandLine[] {
  const prose = document.text.replaceAll(/^```[\s\S]*?^```$/gm, '');
  const inline = [...prose.matchAll(/`(palyra [^`]+)`/g)].map(([, text = '']) => ({ at: document.path, text }));
  return [...blocksOf(document), ...inline].flatMap(({ at, text }) =>
    commandLines(text).map((words) => ({ at, words })),
  );
}

// Words of a shell, as far as documentation uses it: quotes, operators, comments, lines that go on.
const WORD = /'[^']*'|"[^"]*"|#[^\n]*|\\\n|\n|\|\||&&|\$\(|[|;&()<>]|(?:[^\s'"|;&()<>\\]|\\.)+/g;
const OPERATOR = /^(?:\n|\|\||&&|\$\(|[|;&()<>])$/;

/** The words behind each `palyra` that stands where a shell expects a command. */
export function commandLines(text: string): string[][] {
  const found: string[][] = [];
  let current: string[] | undefined;
  let isFirst = true;
  for (const [word] of text.matchAll(WORD)) {
    if (word.startsWith('#') || word === '\\\n') continue;
    if (OPERATOR.test(word)) {
      current = undefined;
      isFirst = true;
      continue;
    }
    if (current !== undefined) {
      if (current.at(-1) !== '--') current.push(word.replace(/^(['"])(.*)\1$/s, '$2'));
    } else if (isFirst && word === 'palyra') {
      current = [];
      found.push(current);
    }
    // `sudo palyra` and `NAME=value palyra` are commands, too.
    isFirst &&= word === 'sudo' || /^\w+=/.test(word);
  }
  return found;
}
