import type { ServerResponse } from 'node:http';
import type { OutputChannel } from '../dispatch/types.ts';
import { textOrBase64 } from '../wire/text-or-base64.ts';
import type { StreamEvent } from '../wire/views.ts';
import { eventFrame, FRAMES_MEDIA_TYPE, NDJSON_MEDIA_TYPE, outputFrameHead } from '../wire/watch-frames.ts';

/** How a watch stream is written. */
export interface WatchEncoding {
  readonly mediaType: string;
  /** The reader acknowledges by itself; otherwise what the socket took counts as taken. */
  readonly explicitAcks: boolean;
  event(to: ServerResponse, event: StreamEvent): void;
  /** Calls `taken` when the socket has the bytes. */
  output(to: ServerResponse, channel: OutputChannel, offset: number, data: Buffer, taken: () => void): void;
}

const ndjson: WatchEncoding = {
  mediaType: NDJSON_MEDIA_TYPE,
  explicitAcks: false,
  event(to, event) {
    to.write(`${JSON.stringify(event)}\n`);
  },
  output(to, channel, offset, data, taken) {
    to.write(`${JSON.stringify({ type: 'output', channel, offset, ...textOrBase64('data', data) })}\n`, taken);
  },
};

const frames: WatchEncoding = {
  mediaType: FRAMES_MEDIA_TYPE,
  explicitAcks: true,
  event(to, event) {
    to.write(eventFrame(event));
  },
  output(to, channel, offset, data, taken) {
    to.write(outputFrameHead(channel, offset, data.length));
    to.write(data, taken);
  },
};

/** The encoding that an Accept header asks for; lines of JSON unless it is our own client. */
export const encodingFor = (accept: string | undefined): WatchEncoding =>
  accept?.includes(FRAMES_MEDIA_TYPE) ? frames : ndjson;
