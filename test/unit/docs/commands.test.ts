import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { commandManifest, lineFault } from '../../support/command-manifest.ts';
import { blocksOf, commandLines, commandLinesOf, readDocuments } from '../../support/doc-blocks.ts';

const ROOT = dirname(dirname(dirname(import.meta.dirname)));
const commands = commandManifest();

test('every command that the documentation shows exists, with its flags', (t) => {
  const lines = readDocuments(ROOT).flatMap(commandLinesOf);
  t.diagnostic(`${lines.length} command lines`);
  assert.ok(lines.length > 50, `only ${lines.length} command lines were found`);
  const faults = lines.flatMap(({ at, words }) => {
    const fault = lineFault(words, commands);
    return fault === undefined ? [] : [`${at}: ${fault}`];
  });
  assert.deepEqual(faults, []);
});

test('every example of a help text exists, with its flags', () => {
  let count = 0;
  for (const [id, { examples = [] }] of Object.entries(commands)) {
    assert.ok(examples.length > 0, `${id} has no example`);
    for (const example of examples) {
      const text = (typeof example === 'string' ? example : example.command)
        .replaceAll('<%= config.bin %>', 'palyra')
        .replaceAll('<%= command.id %>', id.replaceAll(':', ' '));
      const lines = commandLines(text);
      assert.ok(lines.length > 0, `${id}: ${text} calls no command of ours`);
      for (const words of lines) assert.equal(lineFault(words, commands), undefined, id);
      count += lines.length;
    }
  }
  assert.ok(count > 50, `only ${count} examples were found`);
});

test('a command line is found where a shell would find one', () => {
  for (const [text, found] of [
    ['palyra nodes list', [['nodes', 'list']]],
    ['sudo palyra node install --hardened   # why', [['node', 'install', '--hardened']]],
    ['tar c site | palyra nodes exec web-1 -i -- tar x', [['nodes', 'exec', 'web-1', '-i', '--']]],
    ['id=$(palyra nodes exec web-1 --detach -- sleep 1)', [['nodes', 'exec', 'web-1', '--detach', '--']]],
    [
      'A=1 palyra pairing code\npalyra pairing list',
      [
        ['pairing', 'code'],
        ['pairing', 'list'],
      ],
    ],
    ['palyra node pair 1 \\\n  --daemon a && echo palyra nodes list', [['node', 'pair', '1', '--daemon', 'a']]],
    ["palyra nodes exec web-1 --script 'a | palyra b; c'", [['nodes', 'exec', 'web-1', '--script', 'a | palyra b; c']]],
    ['# palyra nodes list', []],
  ] as const) {
    assert.deepEqual(commandLines(text), found, text);
  }
});

test('commands and flags that do not exist are told', () => {
  for (const [text, fault] of [
    ['palyra nodes destroy web-1', /no such command/],
    ['palyra nodes list --colour', /nodes list has no --colour/],
    ['palyra nodes exec web-1 -z -- x', /nodes exec has no -z/],
    ['palyra nodes exec web-1 -o name -- x', /-o takes json, ndjson/],
    ['palyra pairing code --ttl', /--ttl wants a value/],
    ['palyra pairing code --ttl 1h --label a=b', undefined],
    ['palyra nodes exec web-1 -- ls --colour', undefined],
    ['palyra nodes read web-1 /x --output-file=y', undefined],
  ] as const) {
    const found = lineFault(commandLines(text)[0] ?? [], commands);
    if (fault === undefined) assert.equal(found, undefined);
    else assert.match(found ?? '', fault);
  }
});

test('a block says where it runs, or why it does not', () => {
  const text = [
    '```sh\na\n```',
    '<!-- run on the node -->\n```sh\nb\n```',
    '<!-- not run: needs systemd -->\n```sh\nc\nd\n```',
    '```json\n{}\n```',
  ].join('\n\n');
  assert.deepEqual(
    blocksOf({ path: 'x.md', text }).map(({ at, run, reason, text: body }) => [at, run, reason, body]),
    [
      ['x.md:1', 'daemon', undefined, 'a'],
      ['x.md:6', 'node', undefined, 'b'],
      ['x.md:11', 'shown', 'needs systemd', 'c\nd'],
    ],
  );
});
