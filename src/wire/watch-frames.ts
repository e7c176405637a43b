// The compact encoding of a watch stream for our own client: `type (1 byte), length of the payload (4 bytes, big
// endian), payload`. An event is JSON; a piece of output is its offset (6 bytes, big endian) and its bytes.
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';

export const FRAMES_MEDIA_TYPE = 'application/vnd.palyra.frames';
export const NDJSON_MEDIA_TYPE = 'application/x-ndjson';

const EVENT = 1;
const STDOUT = 2;
const STDERR = 3;
const HEADER_BYTES = 5;
const OFFSET_BYTES = 6;
// What an event may be: the terminal record with its structured output.
const LONGEST_EVENT = LIMITS.inputBytes + LIMITS.outputJsonBytes + 64 * 1024;

type Channel = 'stdout' | 'stderr';

/** The head of an output frame; the bytes themselves follow it uncopied. */
export function outputFrameHead(channel: Channel, offset: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(HEADER_BYTES + OFFSET_BYTES);
  head[0] = channel === 'stdout' ? STDOUT : STDERR;
  head.writeUInt32BE(OFFSET_BYTES + length, 1);
  head.writeUIntBE(offset, HEADER_BYTES, OFFSET_BYTES);
  return head;
}

export function eventFrame(event: unknown): Buffer {
  const text = JSON.stringify(event);
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame[0] = EVENT;
  frame.writeUInt32BE(length, 1);
  frame.write(text, HEADER_BYTES);
  return frame;
}

/** What a frame stream is made of. A piece of output may be a part of a frame: none is gathered. */
export type FramePart =
  | { readonly type: 'output'; readonly channel: Channel; readonly offset: number; readonly data: Buffer }
  | { readonly type: 'event'; readonly event: unknown };

const broken = (what: string): PalyraError =>
  new PalyraError('not_a_palyra_daemon', `the daemon sent ${what} in a watch stream`, {
    hint: 'use the same version of palyra on both sides: palyra --version',
  });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (cause instanceof SyntaxError) throw broken('an event that is not JSON');
    throw cause;
  }
}

/** Cuts the bytes of a stream into its parts, as they come. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);
  #output: { readonly channel: Channel; offset: number; left: number } | undefined;

  /** The parts that these bytes complete or continue. Errors: `not_a_palyra_daemon`. */
  *read(bytes: Buffer): Generator<FramePart> {
    let rest = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    this.#pending = Buffer.alloc(0);
    while (rest.length > 0) {
      if (this.#output !== undefined) {
        const { channel, offset, left } = this.#output;
        const data = rest.subarray(0, left);
        rest = rest.subarray(data.length);
        this.#output =
          data.length === left ? undefined : { channel, offset: offset + data.length, left: left - data.length };
        yield { type: 'output', channel, offset, data };
        continue;
      }
      const taken = this.#head(rest);
      if (taken === undefined) {
        this.#pending = rest;
        return;
      }
      rest = rest.subarray(taken.bytes);
      if (taken.event !== undefined) yield { type: 'event', event: taken.event };
    }
  }

  /** Reads the head of a frame, and all of an event; undefined when more bytes are needed. */
  #head(bytes: Buffer): { readonly bytes: number; readonly event?: unknown } | undefined {
    if (bytes.length < HEADER_BYTES) return undefined;
    const type = bytes[0];
    const length = bytes.readUInt32BE(1);
    if (type === EVENT) {
      if (length > LONGEST_EVENT) throw broken(`an event of ${length} bytes`);
      if (bytes.length < HEADER_BYTES + length) return undefined;
      return {
        bytes: HEADER_BYTES + length,
        event: parsed(bytes.toString('utf8', HEADER_BYTES, HEADER_BYTES + length)),
      };
    }
    if ((type !== STDOUT && type !== STDERR) || length < OFFSET_BYTES) throw broken(`a frame of type ${type}`);
    if (bytes.length < HEADER_BYTES + OFFSET_BYTES) return undefined;
    const left = length - OFFSET_BYTES;
    if (left > 0) {
      this.#output = {
        channel: type === STDOUT ? 'stdout' : 'stderr',
        offset: bytes.readUIntBE(HEADER_BYTES, OFFSET_BYTES),
        left,
      };
    }
    return { bytes: HEADER_BYTES + OFFSET_BYTES };
  }
}
