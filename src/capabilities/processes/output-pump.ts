import type { Readable } from 'node:stream';
import type { Clock } from '../../kernel/clock.ts';
import { LIMITS } from '../../kernel/limits.ts';
import type { OutputSink } from '../capability.ts';

/** The end of the program, as the pumps have to know of it. */
export class ProgramOver {
  #over = false;
  readonly #waiting = new Set<() => void>();

  get yes(): boolean {
    return this.#over;
  }

  set(): void {
    this.#over = true;
    for (const run of this.#waiting) run();
    this.#waiting.clear();
  }

  /** Calls `run` when the program is over, at once if it is; the returned function takes that back. */
  call(run: () => void): () => void {
    if (this.#over) {
      run();
      return () => undefined;
    }
    this.#waiting.add(run);
    return () => this.#waiting.delete(run);
  }
}

/**
 * Moves a stream into a sink, a chunk at a time: while the sink is full nothing is read, so the pipe fills and the
 * program waits. A pipe that a left-over process holds open ends when it is quiet after the program's end.
 * Resolves to the count of bytes; rejects when the sink does.
 */
export async function pumpOutput(stream: Readable, sink: OutputSink, over: ProgramOver, clock: Clock): Promise<number> {
  const chunks = stream.iterator({ destroyOnReturn: true });
  let bytes = 0;
  let bytesAfter = 0;
  let cut = false;
  try {
    while (!cut) {
      const quiet = whenQuiet(over, clock, () => {
        cut = true;
        stream.destroy();
      });
      let step: IteratorResult<Buffer, unknown>;
      try {
        step = await chunks.next();
      } catch (error) {
        if (cut) break;
        throw error;
      } finally {
        quiet();
      }
      if (step.done === true) break;
      const chunk = step.value;
      if (over.yes) bytesAfter += chunk.length;
      for (let at = 0; at < chunk.length; at += LIMITS.chunkBytes) {
        await sink.write(chunk.subarray(at, at + LIMITS.chunkBytes));
      }
      bytes += chunk.length;
      if (bytesAfter > LIMITS.pipeAfterExitBytes) break;
    }
    return bytes;
  } finally {
    stream.destroy();
  }
}

/** Calls `run` once the program is over and then `pipeQuietMs` passed; the returned function stops that. */
function whenQuiet(over: ProgramOver, clock: Clock, run: () => void): () => void {
  let stopTimer: (() => void) | undefined;
  const stopWaiting = over.call(() => {
    stopTimer = clock.after(LIMITS.pipeQuietMs, run);
  });
  return () => {
    stopWaiting();
    stopTimer?.();
  };
}
