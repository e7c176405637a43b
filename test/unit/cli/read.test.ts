import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { OperatorDaemon } from '../../support/operator-daemon.ts';
import { runCli } from '../../support/run-cli.ts';
import { type Ending, type Run, ScriptedNode } from '../../support/scripted-node.ts';

const data = randomBytes(3 * 1024 * 1024 + 17);
const folder = mkdtempSync(join(tmpdir(), 'palyra-read-'));
let daemon: OperatorDaemon;
let answer: (run: Run) => Promise<Ending>;

/** As the node reads: the bytes on stdout, and in the output what they were. */
async function honest({ input, write }: Run): Promise<Ending> {
  const { offset = 0, length = data.length } = input as { offset?: number; length?: number };
  const part = data.subarray(offset, offset + length);
  await write('stdout', part);
  const sha256 = createHash('sha256').update(part).digest('hex');
  return { outputJson: JSON.stringify({ size_bytes: data.length, read_bytes: part.length, offset, sha256 }) };
}

before(async () => {
  daemon = await OperatorDaemon.start();
  const node = new ScriptedNode(await daemon.addDevice('web-1'), (run) => answer(run));
  node.connect(daemon.dispatcher);
});
after(async () => {
  await daemon.stop();
  rmSync(folder, { recursive: true });
});

const read = (...argv: string[]) => runCli(['nodes', 'read', 'web-1', '/data', ...argv], { home: daemon.home });
const errorOf = (stderr: string): string => /\[(\w+)\]/.exec(stderr)?.[1] ?? stderr;

test('the bytes of a file go to standard output as they are', async () => {
  answer = honest;
  const { code, stdout, stderr } = await read();
  assert.equal(code, 0, stderr);
  assert.ok(stdout.equals(data));
  assert.equal(stderr, '');
});

test('a part of a file is asked for by offset and length', async () => {
  answer = honest;
  const { stdout } = await read('--offset', '1000', '--length', '5');
  assert.ok(stdout.equals(data.subarray(1000, 1005)));
});

test('an output file appears when all of it is there', async () => {
  answer = honest;
  const file = join(folder, 'copy');
  writeFileSync(file, 'old');
  const { code, stdout } = await read('--output-file', file, '--json');
  assert.equal(code, 0);
  assert.ok(readFileSync(file).equals(data));
  assert.equal((JSON.parse(stdout.toString()) as { output: { read_bytes: number } }).output.read_bytes, data.length);
  assert.deepEqual(readdirSync(folder), ['copy']);
});

test('bytes that are not those the node read are an error, and leave no file', async () => {
  const lies: ((run: Run) => Promise<Ending>)[] = [
    async (run) => ({ ...(await honest(run)), outputJson: JSON.stringify({ read_bytes: data.length, sha256: 'ab' }) }),
    async (run) => ({ ...(await honest(run)), outputJson: JSON.stringify({ read_bytes: 1 }) }),
  ];
  for (const lie of lies) {
    answer = lie;
    const file = join(folder, 'lie');
    const { code, stderr } = await read('--output-file', file);
    assert.equal(code, 1);
    assert.equal(errorOf(stderr), 'integrity_mismatch');
    assert.deepEqual(readdirSync(folder), ['copy']);
  }
});

test('a refusal of the node has its own class, not that of exec', async () => {
  for (const [errorCode, exit] of [
    ['path_not_found', 6],
    ['path_outside_roots', 5],
    ['not_a_file', 7],
  ] as const) {
    answer = async () => ({ outcome: 'failed', exitCode: null, errorCode, errorMessage: 'no' });
    const { code, stderr } = await read();
    assert.equal(code, exit);
    assert.equal(errorOf(stderr), errorCode);
  }
});

test('a local file that cannot be written is told before anything is asked', async () => {
  answer = async () => assert.fail('asked');
  const { code, stderr } = await read('--output-file', join(folder, 'no', 'such', 'folder'));
  assert.equal(code, 2, stderr);
});
