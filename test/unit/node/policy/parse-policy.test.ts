import assert from 'node:assert/strict';
import test from 'node:test';
import { builtinCapabilities } from '../../../../src/capabilities/builtin.ts';
import { PalyraError } from '../../../../src/kernel/errors.ts';
import { parsePolicy } from '../../../../src/node/policy/parse-policy.ts';

const capabilities = builtinCapabilities({ protectedPaths: [] });
const parse = (text: string) => parsePolicy(text, capabilities);

/** The one fault of a text: where it is, what is said, what is proposed. */
function faultOf(text: string): { at: string; message: string; hint: string | undefined } {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof PalyraError, String(error));
    assert.equal(error.code, 'policy_invalid');
    const found = /^node-policy\.json:(\d+:\d+): (.*)$/s.exec(error.message);
    return { at: found?.[1] ?? '', message: found?.[2] ?? error.message, hint: error.hint };
  }
  throw new Error('it was accepted');
}

test('comments, trailing commas and the short form of an entry are read', () => {
  const document = parse(`{
    // harmless
    "version": 1,
    "capabilities": {
      "echo": "allow", /* one word */
      "system.health": { "decision": "ask", "concurrency": 2, },
    },
  }`);
  assert.deepEqual(document, {
    version: 1,
    capabilities: { echo: { decision: 'allow' }, 'system.health': { decision: 'ask', concurrency: 2 } },
  });
});

test('what is not said is filled in: roots, PATH, script lines denied', () => {
  const { capabilities: entries } = parse(
    '{"version":1,"capabilities":{"shell.execute":"allow","filesystem.read":{"decision":"allow","roots":["/srv"]}}}',
  );
  assert.equal(entries['shell.execute']?.['script'], 'deny');
  assert.deepEqual(entries['shell.execute']?.['programs'], []);
  assert.deepEqual(entries['shell.execute']?.['env_from_request'], []);
  assert.equal(entries['filesystem.read']?.['follow_symlinks'], false);
});

const entry = (own: string): string => `{
  "version": 1,
  "capabilities": {
    "shell.execute": {
      "decision": "allow",
      ${own}
    }
  }
}`;

test('a fault is shown where it stands, with the name that was probably meant', () => {
  assert.deepEqual(faultOf('{\n  "version": 1,\n  "capabilitys": {}\n}'), {
    at: '3:3',
    message: 'has no "capabilitys" (and 1 more)',
    hint: 'did you mean "capabilities"?',
  });
  assert.deepEqual(faultOf('{"version": 1, "capabilities": {"shell.exec": "allow"}}'), {
    at: '1:33',
    message: 'capabilities has no "shell.exec"',
    hint: 'did you mean "shell.execute"?',
  });
  assert.deepEqual(faultOf(entry('"programms": "any"')), {
    at: '6:7',
    message: 'capabilities.shell.execute has no "programms"',
    hint: 'did you mean "programs"?',
  });
  const nested = faultOf(entry('"programs": [{ "program": "/usr/bin/uptime", "arg": [] }]'));
  assert.equal(nested.at, '6:52');
  assert.equal(nested.hint, 'did you mean "args"?');
  const pattern = faultOf(entry('"programs": [{ "program": "/usr/bin/uptime", "args": [{ "regx": "a" }] }]'));
  assert.equal(pattern.hint, 'did you mean "regex"?');
  const distant = faultOf(entry('"something_else": 1'));
  assert.equal(distant.hint, 'correct it in node-policy.json');
});

test('a wrong value is shown at the value', () => {
  assert.equal(faultOf(entry('"script": "yes"')).at, '6:17');
  const regex = faultOf(entry('"programs": [{ "program": "/usr/bin/uptime", "args": [{ "regex": "(?=a)" }] }]'));
  assert.equal(regex.at, '6:72');
  assert.match(regex.message, /look-around/);
  assert.match(faultOf(entry('"programs": [{ "program": "/usr/bin/find" }]')).message, /"dangerous": true/);
  assert.match(faultOf(entry('"cwd_roots": ["relative"]')).message, /absolute path/);
  assert.match(faultOf(entry('"path": ["/proc/self"]')).message, /must not be in \/proc/);
  assert.match(
    faultOf('{"version":1,"capabilities":{"filesystem.read":{"decision":"allow","roots":["/a/../b"]}}}').message,
    /\.\./,
  );
  assert.match(faultOf('{"version":1,"capabilities":{"echo":"alow"}}').message, /decision/);
  assert.match(faultOf('{"version":2,"capabilities":{}}').message, /version/);
  assert.match(
    faultOf('{"version":1,"capabilities":{"echo":{"decision":"allow","concurrency":0}}}').message,
    /concurrency/,
  );
});

test('text that is no JSON is shown where it breaks', () => {
  assert.equal(faultOf('{\n  "version": 1\n  "capabilities": {}\n}').at, '3:3');
  assert.match(faultOf('').message, /empty|expected/);
  assert.match(faultOf('{"version": 1, "capabilities": {').message, /expected/);
  assert.match(faultOf('[]').message, /expected object/);
});

test('a name that stands twice is refused: parsers disagree on which one counts', () => {
  const twice = faultOf('{"version":1,"capabilities":{"shell.execute":"deny",\n"shell.execute":"allow"}}');
  assert.equal(twice.at, '2:1');
  assert.match(twice.message, /twice/);
  assert.match(faultOf('{"version":1,"__proto__":{},"capabilities":{}}').message, /never used/);
});
