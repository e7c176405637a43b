import { LIMITS } from '../kernel/limits.ts';
import { textOrBase64 } from '../wire/text-or-base64.ts';
import type { Channel } from './request-watch.ts';

/** Output gathered for one JSON document: its beginning, up to LIMITS.jsonOutputBytes of each stream. */
export class CollectedOutput {
  readonly #chunks: Record<Channel, Buffer[]> = { stdout: [], stderr: [] };
  readonly #bytes: Record<Channel, number> = { stdout: 0, stderr: 0 };
  #truncated = false;

  add(channel: Channel, data: Buffer): void {
    const room = LIMITS.jsonOutputBytes - this.#bytes[channel];
    if (data.length > room) this.#truncated = true;
    // Copied: a small piece would otherwise hold on to the whole chunk of the socket.
    this.#chunks[channel].push(Buffer.from(data.subarray(0, room)));
    this.#bytes[channel] += Math.min(room, data.length);
  }

  /** Bytes that nobody kept. */
  gap(): void {
    this.#truncated = true;
  }

  get truncated(): boolean {
    return this.#truncated;
  }

  /** `{stdout: text}` or `{stdout_base64}`, and the same of stderr. */
  document(): Record<string, string> {
    return {
      ...textOrBase64('stdout', Buffer.concat(this.#chunks.stdout)),
      ...textOrBase64('stderr', Buffer.concat(this.#chunks.stderr)),
    };
  }
}
