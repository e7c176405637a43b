import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { builtinCapabilities } from '../../../src/capabilities/builtin.ts';
import { parsePolicy } from '../../../src/node/policy/parse-policy.ts';
import { readDocuments } from '../../support/doc-blocks.ts';

const ROOT = dirname(dirname(dirname(import.meta.dirname)));
const documents = readDocuments(ROOT);
const textOf = (path: string): string => documents.find((page) => page.path === path)?.text ?? '';

test('every link between the pages leads somewhere', (t) => {
  const links = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, target = '']) => ({ path, target })),
  );
  t.diagnostic(`${links.length} links`);
  assert.ok(links.length > 10);
  const dead = links.filter(({ path, target }) => !existsSync(join(ROOT, dirname(path), target)));
  assert.deepEqual(dead, []);
});

test('README is a screen', () => {
  assert.ok(textOf('README.md').split('\n').length <= 60);
});

test('CONTRIBUTING names every npm script, and no other', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = [...textOf('CONTRIBUTING.md').matchAll(/npm (?:run )?([\w:]+)/g)].map(([, name = '']) => name);
  const wanted = [...Object.keys(scripts), 'ci'];
  assert.deepEqual([...new Set(named)].sort(), wanted.sort());
});

test('the policies of the pages are policies', () => {
  const policies = documents.flatMap(({ text }) =>
    [...text.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, json = '']) => json),
  );
  assert.ok(policies.length > 0);
  const capabilities = builtinCapabilities({ protectedPaths: [] });
  for (const policy of policies) parsePolicy(policy, capabilities);
});

test('every capability is in the table of getting started', () => {
  const page = textOf('docs/getting-started.md');
  for (const name of builtinCapabilities({ protectedPaths: [] }).keys())
    assert.ok(page.includes(`| \`${name}\` |`), name);
});
