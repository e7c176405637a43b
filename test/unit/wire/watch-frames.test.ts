import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventFrame, type FramePart, FrameReader, outputFrameHead } from '../../../src/wire/watch-frames.ts';

const output = fc.record({
  channel: fc.constantFrom('stdout' as const, 'stderr' as const),
  offset: fc.nat({ max: 2 ** 47 }),
  data: fc.uint8Array({ minLength: 1, maxLength: 200 }),
});
const frame = fc.oneof(
  output.map(({ channel, offset, data }) => ({
    bytes: Buffer.concat([outputFrameHead(channel, offset, data.length), data]),
    told: [channel, offset, Buffer.from(data).toString('hex')] as unknown,
  })),
  fc.jsonValue().map((event) => ({ bytes: eventFrame(event), told: JSON.parse(JSON.stringify(event)) as unknown })),
);

/** Pieces of one frame put together again. */
function told(parts: readonly FramePart[]): unknown[] {
  const all: unknown[] = [];
  let open: { channel: string; offset: number; hex: string; next: number } | undefined;
  const flush = (): void => {
    if (open !== undefined) all.push([open.channel, open.offset, open.hex]);
    open = undefined;
  };
  for (const part of parts) {
    if (part.type === 'event') {
      flush();
      all.push(part.event);
    } else if (open?.channel === part.channel && open.next === part.offset) {
      open.hex += part.data.toString('hex');
      open.next += part.data.length;
    } else {
      flush();
      open = {
        channel: part.channel,
        offset: part.offset,
        hex: part.data.toString('hex'),
        next: part.offset + part.data.length,
      };
    }
  }
  flush();
  return all;
}

test('frames come out as they went in, wherever the transport cuts', () => {
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      (frames, cuts) => {
        const bytes = Buffer.concat(frames.map((one) => one.bytes));
        const reader = new FrameReader();
        const parts: FramePart[] = [];
        for (let at = 0; at < bytes.length; ) {
          const step = cuts.next().value as number;
          for (const part of reader.read(bytes.subarray(at, at + step))) parts.push(part);
          at += step;
        }
        const whole = [...new FrameReader().read(bytes)];
        assert.deepEqual(told(parts), told(whole));
        assert.deepEqual(
          whole.map((part) =>
            part.type === 'event' ? part.event : [part.channel, part.offset, part.data.toString('hex')],
          ),
          frames.map((one) => one.told),
        );
      },
    ),
  );
});

test('what is no frame is told at once instead of waited for', () => {
  const bad = [
    Buffer.from([9, 0, 0, 0, 1, 0]),
    Buffer.from([2, 0, 0, 0, 3, 0, 0, 0]),
    Buffer.from([1, 0xff, 0xff, 0xff, 0xff]),
    Buffer.concat([Buffer.from([1, 0, 0, 0, 2]), Buffer.from('{x')]),
  ];
  for (const bytes of bad) {
    assert.throws(
      () => [...new FrameReader().read(bytes)],
      (cause: { code?: string }) => cause.code === 'not_a_palyra_daemon',
    );
  }
});
