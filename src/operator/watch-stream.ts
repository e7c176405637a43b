import type { ServerResponse } from 'node:http';
import type { Attachment, WatchEvent, Watcher, WatchOffsets } from '../dispatch/types.ts';
import type { ErrorView, StreamEvent } from '../wire/views.ts';
import { startStream } from './reply.ts';
import { requestView } from './request-view.ts';
import type { WatchEncoding } from './watch-encoding.ts';

export interface WatchStreamOptions {
  readonly outgoing: ServerResponse;
  readonly encoding: WatchEncoding;
  readonly from: WatchOffsets;
  /** The program waits for this reader; an observer may miss bytes instead. */
  readonly holds: boolean;
  /** Called once when the stream is over, however it ended. */
  readonly onClosed: () => void;
}

/**
 * One reader of a request's events over HTTP. The dispatcher delivers no more than its credit beyond what is
 * acknowledged, so what a slow reader leaves in the socket's buffer is bounded.
 */
export class WatchStream implements Watcher {
  readonly holds: boolean;
  readonly #outgoing: ServerResponse;
  readonly #encoding: WatchEncoding;
  #taken: WatchOffsets;
  #attachment: Attachment | undefined;
  #corked = false;
  #over = false;

  constructor({ outgoing, encoding, from, holds, onClosed }: WatchStreamOptions) {
    this.holds = holds;
    this.#outgoing = outgoing;
    this.#encoding = encoding;
    this.#taken = from;
    const closed = (): void => {
      this.#over = true;
      this.#attachment?.detach();
      onClosed();
    };
    // Gone while the request was being accepted: there will be no event to tell it.
    if (outgoing.destroyed) {
      closed();
      return;
    }
    startStream(outgoing, encoding.mediaType);
    outgoing.once('close', closed);
  }

  /** Ties the stream to its request. A reader that is gone already lets go at once. */
  attach(attachment: Attachment): void {
    this.#attachment = attachment;
    if (this.#over) attachment.detach();
  }

  deliver(event: WatchEvent): void {
    if (this.#over) return;
    switch (event.type) {
      case 'state':
        this.send({ type: 'state', state: event.state, at_unix_ms: event.atUnixMs });
        return;
      case 'output': {
        const { channel, offset, data } = event;
        this.#gather();
        this.#encoding.output(this.#outgoing, channel, offset, data, () => {
          if (!this.#encoding.explicitAcks) this.#socketTook(channel, offset + data.length);
        });
        return;
      }
      case 'gap':
        this.send(event);
        return;
      case 'stdin_acked':
        this.send(event);
        return;
      case 'end':
        this.#finish({ type: 'end', request: requestView(event.request) });
        return;
    }
  }

  /** Writes an event of the edge itself. */
  send(event: StreamEvent): void {
    if (this.#over) return;
    this.#gather();
    this.#encoding.event(this.#outgoing, event);
  }

  /** What the reader says that it has. */
  acknowledge(offsets: WatchOffsets): void {
    this.#attachment?.acknowledge(offsets);
  }

  /** Ends the stream with an error event: the daemon stops, or the request could not be watched. */
  fail(error: ErrorView): void {
    this.#finish({ type: 'error', error });
  }

  #finish(last: StreamEvent): void {
    if (this.#over) return;
    this.send(last);
    this.#over = true;
    // node:http writes the last chunk of a corked message before what was gathered.
    this.#release();
    this.#outgoing.end();
  }

  /** Events of one turn leave in one piece. */
  #gather(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#outgoing.cork();
    process.nextTick(() => this.#release());
  }

  #release(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#outgoing.uncork();
  }

  #socketTook(channel: 'stdout' | 'stderr', upTo: number): void {
    this.#taken = channel === 'stdout' ? { ...this.#taken, stdoutBytes: upTo } : { ...this.#taken, stderrBytes: upTo };
    this.#attachment?.acknowledge(this.#taken);
  }
}
