// The daemon's end of a session as the requests of a node see it: frames in order, output put together again.
import { createHash } from 'node:crypto';
import type { RequestUplink } from '../../src/node/requests/ports.ts';
import type { BulkFromDaemon, BulkFromNode, NodeFrame, OutputMessage, ResultMessage } from '../../src/rpc/frames.ts';
import type { BulkStream, StreamEvents } from '../../src/rpc/node-client.ts';

const NAMES = { 1: 'stdout', 2: 'stderr' } as const;

export class ScriptedUplink implements RequestUplink {
  readonly frames: NodeFrame[] = [];
  readonly bulks = new Map<string, StreamEvents<BulkFromDaemon>>();
  /** What goes out on bulk streams is lost on the way. */
  losesBulk = false;
  readonly received = new Map<string, { stdout: Buffer; stderr: Buffer }>();
  #grown = Promise.withResolvers<void>();

  send(frame: NodeFrame): void {
    this.frames.push(frame);
    if (frame.output) this.#output(frame.output);
    this.#wake();
  }

  openBulk(requestId: string, events: StreamEvents<BulkFromDaemon>): BulkStream {
    this.bulks.set(requestId, events);
    const lost = this.losesBulk;
    return {
      send: async (message: BulkFromNode) => {
        if (message.output && !lost) this.#output(message.output);
        this.#wake();
      },
      end: () => undefined,
      cancel: () => undefined,
    };
  }

  of(requestId: string): { stdout: Buffer; stderr: Buffer } {
    const known = this.received.get(requestId) ?? { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
    this.received.set(requestId, known);
    return known;
  }

  result(requestId: string): ResultMessage | undefined {
    return this.frames.map(({ result }) => result).find((result) => result?.request_id === requestId) ?? undefined;
  }

  async until<T>(look: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      await this.#grown.promise;
    }
  }

  untilResult(requestId: string): Promise<ResultMessage> {
    return this.until(() => this.result(requestId));
  }

  #output({ request_id: requestId, channel, offset, data }: OutputMessage): void {
    const name = NAMES[channel as 1 | 2];
    const known = this.of(requestId);
    if (offset > known[name].length) return;
    const fresh = data.subarray(known[name].length - offset);
    this.received.set(requestId, { ...known, [name]: Buffer.concat([known[name], fresh]) });
  }

  #wake(): void {
    this.#grown.resolve();
    this.#grown = Promise.withResolvers();
  }
}

export const sha256Of = (data: Buffer): Buffer => createHash('sha256').update(data).digest();
