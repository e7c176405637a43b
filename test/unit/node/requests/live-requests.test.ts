import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { builtinCapabilities } from '../../../../src/capabilities/builtin.ts';
import { capabilityPlatform } from '../../../../src/capabilities/platform.ts';
import { systemClock } from '../../../../src/kernel/clock.ts';
import { idMaker } from '../../../../src/kernel/ids.ts';
import { makeLogger } from '../../../../src/kernel/log.ts';
import { NodePolicy } from '../../../../src/node/policy/node-policy.ts';
import { policyFromFlags } from '../../../../src/node/policy/policy-from-flags.ts';
import { openNodeRequests } from '../../../../src/node/requests/open-node-requests.ts';
import type { NodeRequests } from '../../../../src/node/requests/ports.ts';
import { type CapabilityDispatchMessage, OUTCOME } from '../../../../src/rpc/frames.ts';
import { generateP256, privateKeyPem } from '../../../../src/x509/key-pair.ts';
import { verifyReceipt } from '../../../../src/x509/receipt.ts';
import { testFacts, testFolder } from '../../../support/capability-context.ts';
import { ScriptedUplink, sha256Of } from '../../../support/request-uplink.ts';

const log = makeLogger({ level: 'error', component: 'test' });
const newId = idMaker(() => Date.now());

async function opened(t: TestContext, folder = testFolder(t)) {
  const key = await generateP256();
  const platform = capabilityPlatform([]);
  const capabilities = builtinCapabilities({ protectedPaths: [], platform });
  const { document } = policyFromFlags(
    { allow: ['shell.execute'], readRoots: [folder], allowScript: false },
    capabilities,
  );
  const policy = new NodePolicy(document, capabilities);
  const requests = await openNodeRequests({
    nodeHome: folder,
    deviceId: testFacts.deviceId,
    deviceKeyPem: privateKeyPem(key),
    facts: testFacts,
    policy: () => policy,
    ledgerHealth: () => undefined,
    platform,
    clock: systemClock,
    log,
  });
  const uplink = new ScriptedUplink();
  requests.attach(uplink, { heartbeat_ms: 1000 });
  return { requests, uplink, folder, key };
}

const order = (argv: readonly string[], extra: Partial<CapabilityDispatchMessage> = {}): CapabilityDispatchMessage => ({
  request_id: newId(),
  capability: 'shell.execute',
  input_json: Buffer.from(JSON.stringify({ argv })),
  run_timeout_ms: 60_000,
  queue_expires_at_unix_ms: 0,
  queue_left_ms: 0,
  stdin_mode: 0,
  stdin: Buffer.alloc(0),
  output_credit_bytes: 1024 * 1024,
  attached: true,
  epoch: 1,
  requested_by: 'operator:test',
  ...extra,
});

const stopped = (requests: NodeRequests): Promise<void> => requests.stop(0);

test('a program runs once: its streams apart, its exit code, a receipt that verifies; the same dispatch again is answered', async (t) => {
  const { requests, uplink, folder, key } = await opened(t);
  const file = join(folder, 'ran');
  const message = order(['sh', '-c', 'echo out; echo err >&2; echo x >> "$0"; exit 3', file]);
  requests.dispatch(message);
  const result = await uplink.untilResult(message.request_id);
  assert.equal(result.outcome, OUTCOME.failed);
  assert.equal(result.exit_code, 3);
  const { stdout, stderr } = uplink.of(message.request_id);
  assert.deepEqual([stdout.toString(), stderr.toString()], ['out\n', 'err\n']);
  const receipt = {
    requestId: message.request_id,
    outcome: OUTCOME.failed,
    inputSha256: sha256Of(message.input_json),
    stdoutSha256: sha256Of(stdout),
    stderrSha256: sha256Of(stderr),
    outputJson: result.output_json ?? Buffer.alloc(0),
    exitCode: 3,
  };
  assert.equal(verifyReceipt(key, receipt, result.receipt_signature ?? Buffer.alloc(0)), true);
  assert.equal(
    verifyReceipt(key, { ...receipt, exitCode: 0 }, result.receipt_signature ?? Buffer.alloc(0)),
    false,
    'a changed exit code is noticed',
  );
  uplink.frames.splice(0);
  requests.dispatch(message);
  assert.equal(uplink.result(message.request_id)?.exit_code, 3);
  assert.equal(readFileSync(file, 'utf8'), 'x\n');
  requests.resultAck(message.request_id);
  assert.deepEqual(requests.entries(), []);
  await stopped(requests);
});

test('what the policy or the input forbids is answered for that request alone, and never begins', async (t) => {
  const { requests, uplink } = await opened(t);
  for (const [extra, code] of [
    [{ capability: 'no.such' }, 'capability_unknown'],
    [{ input_json: Buffer.from('{') }, 'invalid_argument'],
    [{ input_json: Buffer.from('{"script":"echo"}') }, 'policy_denied'],
    [{ input_json: Buffer.from('{"argv":["no-such-program-here"]}') }, 'program_not_found'],
  ] as const) {
    const message = order(['true'], extra);
    requests.dispatch(message);
    const result = await uplink.untilResult(message.request_id);
    assert.equal(result.error_code, code);
    assert.notEqual(result.outcome, OUTCOME.succeeded);
  }
  const good = order(['true']);
  requests.dispatch(good);
  assert.equal((await uplink.untilResult(good.request_id)).outcome, OUTCOME.succeeded);
  await stopped(requests);
});

test('bulk output is held by credit, and comes whole through a session that ends in the middle', async (t) => {
  const { requests, uplink, folder } = await opened(t);
  const bytes = randomBytes(5 * 1024 * 1024);
  writeFileSync(join(folder, 'bytes'), bytes);
  const message = order(['cat', join(folder, 'bytes')]);
  const id = message.request_id;
  requests.dispatch(message);
  await uplink.until(() => uplink.of(id).stdout.length >= 900_000);
  await systemClock.sleep(50);
  const before = uplink.of(id).stdout;
  assert.ok(before.length <= 1024 * 1024 + 128 * 1024, `${before.length} bytes came without an acknowledgement`);
  requests.detach();
  // The daemon lost the last of what it had.
  const kept = before.subarray(0, before.length - 300_000);
  const second = new ScriptedUplink();
  second.received.set(id, { stdout: kept, stderr: Buffer.alloc(0) });
  requests.attach(second, {
    heartbeat_ms: 1000,
    resume: [{ request_id: id, stdout_offset_bytes: kept.length, stderr_offset_bytes: 0, stdin_offset_bytes: 0 }],
  });
  for (;;) {
    const had = second.of(id).stdout.length;
    requests.outputAck({ request_id: id, stdout_acked_bytes: had, stderr_acked_bytes: 0 });
    if (second.result(id) !== undefined) break;
    await second.until(() => second.of(id).stdout.length > had || second.result(id) !== undefined);
  }
  assert.deepEqual(second.of(id).stdout, bytes);
  await stopped(requests);
});

test('a bulk stream that breaks alone is opened again, and what was lost on it comes once more', async (t) => {
  const { requests, uplink } = await opened(t);
  const asked = order(['head', '-c', '300000', '/dev/zero']);
  uplink.losesBulk = true;
  requests.dispatch(asked);
  await uplink.untilResult(asked.request_id);
  const bulk = uplink.bulks.get(asked.request_id);
  assert.ok(bulk !== undefined && uplink.of(asked.request_id).stdout.length < 300_000);
  uplink.losesBulk = false;
  bulk.ended(new Error('broken'));
  await uplink.until(() => uplink.of(asked.request_id).stdout.length === 300_000);
  assert.notEqual(uplink.bulks.get(asked.request_id), bulk);
  await stopped(requests);
});

test('a cancel and a timeout end the whole tree; both are told as what they are', async (t) => {
  const { requests, uplink } = await opened(t);
  const cancelled = order(['sh', '-c', 'sleep 300 & sleep 300']);
  requests.dispatch(cancelled);
  await uplink.until(() => uplink.frames.some(({ started }) => started?.request_id === cancelled.request_id));
  requests.cancel(cancelled.request_id, 'not wanted');
  const late = order(['sleep', '300'], { run_timeout_ms: 200 });
  requests.dispatch(late);
  assert.equal((await uplink.untilResult(cancelled.request_id)).outcome, OUTCOME.cancelled);
  assert.equal((await uplink.untilResult(late.request_id)).outcome, OUTCOME.timed_out);
  await stopped(requests);
});

test('standard input comes in order, each byte once, and is acknowledged as the program takes it', async (t) => {
  const { requests, uplink } = await opened(t);
  const message = order(['cat'], { stdin_mode: 2 });
  const id = message.request_id;
  requests.dispatch(message);
  const bulk = await uplink.until(() => uplink.bulks.get(id));
  bulk.frame({ stdin_offset_bytes: 0, stdin: Buffer.from('hello ') });
  bulk.frame({ stdin_offset_bytes: 3, stdin: Buffer.from('lo world') });
  bulk.frame({ stdin_offset_bytes: 99, stdin: Buffer.from('a gap') });
  bulk.frame({ stdin_offset_bytes: 11, stdin: Buffer.alloc(0), stdin_end: true });
  assert.equal((await uplink.untilResult(id)).outcome, OUTCOME.succeeded);
  assert.equal(uplink.of(id).stdout.toString(), 'hello world');
  const acks = uplink.frames.flatMap(({ stdin_ack: ack }) => (ack ? [ack] : []));
  assert.deepEqual(acks.at(-1), { request_id: id, acked_bytes: 11, closed: true });
  await stopped(requests);
});

test('a stop ends what runs as interrupted, and the next process still tells it', async (t) => {
  const { requests, uplink, folder } = await opened(t);
  const message = order(['sleep', '300']);
  requests.dispatch(message);
  await uplink.until(() => uplink.frames.some(({ started }) => started?.request_id === message.request_id));
  await requests.stop(0);
  assert.equal(uplink.result(message.request_id)?.outcome, OUTCOME.interrupted);
  const next = await opened(t, folder);
  assert.deepEqual(next.requests.entries(), [{ request_id: message.request_id, state: 2 }]);
  const zero = { stdout_offset_bytes: 0, stderr_offset_bytes: 0, stdin_offset_bytes: 0 };
  next.requests.attach(next.uplink, { heartbeat_ms: 1, resume: [{ request_id: message.request_id, ...zero }] });
  assert.equal(next.uplink.result(message.request_id)?.outcome, OUTCOME.interrupted);
  await stopped(next.requests);
});
