// What travels: batches, errors, and everything a node could say instead of what it should.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { systemClock } from '../../../src/kernel/clock.ts';
import { FAULTS, PalyraError } from '../../../src/kernel/errors.ts';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { dialDaemon } from '../../../src/rpc/dial.ts';
import { FrameBatcher, membersOf } from '../../../src/rpc/frame-batch.ts';
import type { NodeFrame } from '../../../src/rpc/frames.ts';
import { loadWireSchema } from '../../../src/rpc/schema.ts';
import { errorOfCall, statusOf } from '../../../src/rpc/status.ts';
import { LONG } from '../../support/long.ts';
import { NodePort } from '../../support/node-port.ts';

interface Numbered {
  readonly number: number;
  readonly batch?: readonly Numbered[];
}

test('frames of a turn leave in their order, within the limits of a batch, and large ones alone', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 40_000 }), fc.boolean()), { maxLength: 900 }),
      async (plan) => {
        const written: Numbered[] = [];
        const batcher = new FrameBatcher<Numbered>((frame) => written.push(frame));
        const sizes: number[] = [];
        for (const [bytes, pause] of plan) {
          batcher.add({ number: sizes.length }, bytes);
          sizes.push(bytes);
          if (pause) await Promise.resolve();
        }
        await Promise.resolve();
        batcher.flush();
        const members = written.map((frame) => membersOf(frame));
        assert.deepEqual(
          members.flat().map(({ number }) => number),
          sizes.map((_, at) => at),
        );
        for (const together of members) {
          assert.ok(together.length <= LIMITS.batchFrames);
          const bytes = together.map(({ number }) => sizes[number] ?? 0);
          const last = bytes.at(-1) ?? 0;
          assert.ok(bytes.reduce((sum, one) => sum + one, 0) - last < LIMITS.batchBytes);
          if (together.length > 1) assert.ok(Math.max(...bytes) < 16 * 1024);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('every error of the table arrives as what it was', () => {
  for (const code of Object.keys(FAULTS) as (keyof typeof FAULTS)[]) {
    const sent = new PalyraError(code, 'what happened', { hint: 'palyra do this', details: { retry_after_ms: 5 } });
    const { code: number, details, metadata } = statusOf(sent);
    const failure = Object.assign(new Error(details), { code: number, details, metadata });
    const came = errorOfCall(failure, 'daemon:7443');
    assert.ok(came instanceof PalyraError, code);
    assert.deepEqual([came.code, came.message, came.hint, came.details], [code, sent.message, sent.hint, sent.details]);
  }
});

test('a fault of ours says nothing of itself', () => {
  const { details, metadata } = statusOf(new Error('/etc/secret at line 5'));
  assert.doesNotMatch(details, /secret/);
  assert.doesNotMatch(String(metadata.get('palyra-error-bin')), /secret/);
});

const { node } = loadWireSchema();
const ULID = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constant(ULID), fc.constant('a'.repeat(70_000)));
const number = fc.oneof(
  fc.nat(),
  fc.constant(Number.MAX_SAFE_INTEGER),
  fc.double({ noNaN: true, min: 0, max: 2 ** 63 }),
);
const bytes = fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array));

const body: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  fc.record({ hello: fc.record({ session_id: text, boot_id: text, ledger_id: text }) }),
  fc.record({ accepted: fc.record({ request_id: text }) }),
  fc.record({ started: fc.record({ request_id: text, started_at_unix_ms: number, pid: fc.nat() }) }),
  fc.record({
    output: fc.record({ request_id: text, channel: fc.nat(5), offset: number, data: bytes, skipped_bytes: number }),
  }),
  fc.record({
    result: fc.record({
      request_id: text,
      outcome: fc.nat(9),
      error_code: text,
      error_message: text,
      output_json: bytes,
      exit_code: fc.integer(),
      signal: text,
      duration_ms: number,
      receipt_signature: bytes,
    }),
  }),
  fc.record({ health: fc.record({ degraded_reason: text }) }),
  fc.record({
    capabilities_changed: fc.record({ capabilities: fc.array(fc.record({ name: text }), { maxLength: 4 }) }),
  }),
  fc.record({ stdin_ack: fc.record({ request_id: text, acked_bytes: number, closed: fc.boolean() }) }),
  fc.record({ renewed: fc.record({ fingerprint_sha256: bytes }) }),
);
const message = fc.oneof(
  bytes,
  body.map((frame) => node.StreamNodeEvents.requestSerialize(frame as NodeFrame)),
  fc
    .array(body, { maxLength: 5 })
    .map((batch) => node.StreamNodeEvents.requestSerialize({ batch } as unknown as NodeFrame)),
  fc
    .tuple(body, fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(300))
    .map(([frame, flips, cut]) => {
      const whole = Buffer.from(node.StreamNodeEvents.requestSerialize(frame as NodeFrame));
      for (const [at, value] of flips) if (at < whole.length) whole[at] = value;
      return cut < 200 ? whole.subarray(0, cut) : whole;
    }),
);

test('whatever a device says instead of frames, it alone is refused, and with a code', {
  timeout: 60_000,
}, async (t) => {
  const port = await NodePort.start(t, 2);
  const working = await port.session(0);
  const { path } = node.StreamNodeEvents;
  const client = dialDaemon({ address: port.address, ca: port.ca, identity: port.device(1) });
  t.after(() => client.close());
  const verdicts = new Map<string, number>();
  const seed = Math.floor(Math.random() * 2 ** 31);
  const until = systemClock.monotonic() + (LONG ? 60_000 : 5_000);
  let said = 0;
  for (let round = 0; systemClock.monotonic() < until; round += 1) {
    // A stream that stands, half of the time; else garbage comes where the hello should.
    const opened = round % 2 === 0 ? await port.session(1) : undefined;
    const stream = client.makeBidiStreamRequest(
      path,
      (raw: Buffer) => raw,
      (raw: Buffer) => raw,
    );
    const ended = new Promise<unknown>((resolve) => {
      stream.on('error', (error) => resolve(errorOfCall(error, 'daemon')));
      stream.on('end', () => resolve(undefined));
    });
    stream.on('data', () => undefined);
    for (const raw of fc.sample(message, { numRuns: 20, seed: seed + round })) {
      stream.write(raw);
      said += 1;
    }
    stream.end();
    const error = await ended;
    assert.ok(error instanceof PalyraError, `seed ${seed}, round ${round}: it ended in order`);
    const verdict = error.code;
    // What does not even decode is refused by the transport itself.
    const undecoded = /Error deserializing request/.test(String(error));
    assert.ok(verdict !== 'internal' || undecoded, `seed ${seed}, round ${round}: ${String(error)}`);
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    opened?.connection.close();
  }
  const requestId = await port.ask(0);
  await working.untilDispatched(requestId);
  working.answer(requestId);
  await working.until(({ result_ack: ack }) => ack?.request_id === requestId);
  assert.doesNotMatch(port.log, /"a frame of a node failed"/);
  t.diagnostic(`seed ${seed}, ${said} messages, verdicts ${JSON.stringify(Object.fromEntries(verdicts))}`);
});
