import type { PalyraError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import {
  type BulkFromDaemon,
  type CapabilityDispatchMessage,
  type ChannelName,
  OUTPUT_CHANNEL,
  type OutputAckMessage,
  type ResultMessage,
  type ResumeOutputMessage,
  STDIN_MODE,
} from '../../rpc/frames.ts';
import type { BulkStream } from '../../rpc/node-client.ts';
import { KeptChannel } from './kept-channel.ts';
import type { RequestUplink } from './ports.ts';
import { RequestStdin } from './request-stdin.ts';

const CHANNELS = ['stdout', 'stderr'] as const;
// More often than this in one session is no accident: then the next session repairs it.
const REOPENINGS = 3;

/** A request between its dispatch and the acknowledgement of its result: its streams, over changing sessions. */
export class RunningRequest {
  readonly requestId: string;
  readonly message: CapabilityDispatchMessage;
  readonly channels: Readonly<Record<ChannelName, KeptChannel>> = {
    stdout: new KeptChannel(),
    stderr: new KeptChannel(),
  };
  readonly stdin: RequestStdin | undefined;
  readonly abort = new AbortController();
  startedAtUnixMs: number | undefined;
  result: ResultMessage | undefined;
  #attached: boolean;
  #uplink: RequestUplink | undefined;
  #bulk: BulkStream | undefined;
  #inlineBytes = 0;
  #reopened = 0;
  #room = Promise.withResolvers<void>();

  constructor(message: CapabilityDispatchMessage, uplink: RequestUplink | undefined) {
    this.requestId = message.request_id;
    this.message = message;
    this.#attached = message.attached;
    this.#uplink = uplink;
    this.stdin =
      message.stdin_mode === STDIN_MODE.stream
        ? new RequestStdin((bytes, closed) => this.#tellStdin(bytes, closed))
        : undefined;
    if (this.stdin !== undefined) this.#openBulk();
  }

  /** Resolves when there is room for the next chunk. Rejects once the request was ended. */
  async write(name: ChannelName, data: Buffer): Promise<void> {
    this.abort.signal.throwIfAborted();
    const chunk = this.channels[name].append(data);
    this.#send(name, chunk.offset, data, 0);
    while (this.#held >= this.#credit) {
      // Nobody waits for it: the record keeps the end, and the program goes on.
      if (!this.#attached && this.#uplink === undefined) {
        for (const channel of CHANNELS) this.channels[channel].keepTail();
        return;
      }
      await this.#room.promise;
      this.abort.signal.throwIfAborted();
    }
  }

  acknowledge({ stdout_acked_bytes: stdout, stderr_acked_bytes: stderr, detached }: OutputAckMessage): void {
    this.channels.stdout.acknowledge(stdout);
    this.channels.stderr.acknowledge(stderr);
    if (detached === true) this.#attached = false;
    this.wake();
  }

  /** A new session: what the daemon lacks goes out again, on a stream of its own. */
  resume(uplink: RequestUplink, offsets: ResumeOutputMessage): void {
    this.#uplink = uplink;
    this.#bulk = undefined;
    this.#reopened = 0;
    this.channels.stdout.acknowledge(Math.min(offsets.stdout_offset_bytes, this.channels.stdout.sizeBytes));
    this.channels.stderr.acknowledge(Math.min(offsets.stderr_offset_bytes, this.channels.stderr.sizeBytes));
    const from = { stdout: offsets.stdout_offset_bytes, stderr: offsets.stderr_offset_bytes };
    if (this.stdin !== undefined && this.result === undefined) this.#openBulk();
    for (const name of CHANNELS) {
      for (const { offset, data, skippedBytes } of this.channels[name].from(from[name])) {
        this.#send(name, offset, data, skippedBytes);
      }
    }
    this.wake();
  }

  detach(): void {
    this.#uplink = undefined;
    this.#bulk?.cancel();
    this.#bulk = undefined;
    this.wake();
  }

  /** Ends the run; the cause names the outcome. */
  end(cause: PalyraError): void {
    this.abort.abort(cause);
    this.stdin?.close();
    this.wake();
  }

  /** All is acknowledged, or nobody wants it. */
  close(): void {
    this.#bulk?.end();
    this.#bulk = undefined;
    this.#uplink = undefined;
    this.wake();
  }

  wake(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }

  get #held(): number {
    return this.channels.stdout.heldBytes + this.channels.stderr.heldBytes;
  }

  get #credit(): number {
    const asked = this.message.output_credit_bytes;
    return asked > 0 ? Math.min(asked, LIMITS.requestCreditBytes) : LIMITS.requestCreditBytes;
  }

  #send(name: ChannelName, offset: number, data: Buffer, skippedBytes: number): void {
    const uplink = this.#uplink;
    if (uplink === undefined) return;
    const output = {
      request_id: this.requestId,
      channel: OUTPUT_CHANNEL[name],
      offset,
      data,
      ...(skippedBytes > 0 && { skipped_bytes: skippedBytes }),
    };
    this.#inlineBytes += data.length;
    if (this.#bulk === undefined && this.#inlineBytes <= LIMITS.inlineOutputBytes) {
      uplink.send({ output }, data.length);
      return;
    }
    if (this.#bulk === undefined) {
      this.#openBulk();
      // The two streams may overtake each other: what is not acknowledged goes once more, in order, on the new one.
      this.#sendHeld();
      return;
    }
    this.#sendBulk(name, offset, data, skippedBytes);
  }

  #sendHeld(): void {
    for (const channel of CHANNELS) {
      for (const held of this.channels[channel].from(0)) this.#sendBulk(channel, held.offset, held.data, 0);
    }
  }

  #sendBulk(name: ChannelName, offset: number, data: Buffer, skippedBytes: number): void {
    const output = {
      request_id: this.requestId,
      channel: OUTPUT_CHANNEL[name],
      offset,
      data,
      ...(skippedBytes > 0 && { skipped_bytes: skippedBytes }),
    };
    // What does not arrive is still held, and goes again with the next session.
    this.#bulk?.send({ output }).catch(() => undefined);
  }

  #openBulk(): void {
    const bulk = this.#uplink?.openBulk(this.requestId, {
      frame: (frame: BulkFromDaemon) => {
        this.stdin?.push(frame.stdin_offset_bytes ?? 0, frame.stdin ?? Buffer.alloc(0), frame.stdin_end === true);
      },
      ended: (cause) => {
        if (this.#bulk !== bulk) return;
        this.#bulk = undefined;
        // The session lives on: so does the request, on a stream of its own again.
        if (cause !== undefined && this.#uplink !== undefined && this.#reopened < REOPENINGS) {
          this.#reopened += 1;
          this.#openBulk();
          this.#sendHeld();
        }
      },
    });
    this.#bulk = bulk;
  }

  #tellStdin(bytes: number, closed: boolean): void {
    this.#uplink?.send({ stdin_ack: { request_id: this.requestId, acked_bytes: bytes, closed } });
  }
}
