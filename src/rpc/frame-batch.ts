import { LIMITS } from '../kernel/limits.ts';

interface Batchable<Frame> {
  readonly batch?: readonly Frame[];
}

/** Above this a frame goes alone: joining it would copy more than it saves. */
const ALONE_BYTES = 16 * 1024;

/**
 * Gathers the frames of one event-loop turn into one message: at most LIMITS.batchFrames of LIMITS.batchBytes. The
 * order of frames is kept.
 */
export class FrameBatcher<Frame extends Batchable<Frame>> {
  readonly #write: (frame: Frame) => void;
  #frames: Frame[] = [];
  #bytes = 0;
  #armed = false;

  constructor(write: (frame: Frame) => void) {
    this.#write = write;
  }

  /** `payloadBytes`: of the data the frame carries, where it carries any. */
  add(frame: Frame, payloadBytes = 0): void {
    if (payloadBytes >= ALONE_BYTES) {
      this.flush();
      this.#write(frame);
      return;
    }
    this.#frames.push(frame);
    this.#bytes += payloadBytes;
    if (this.#frames.length >= LIMITS.batchFrames || this.#bytes >= LIMITS.batchBytes) {
      this.flush();
    } else if (!this.#armed) {
      this.#armed = true;
      queueMicrotask(() => {
        this.#armed = false;
        this.flush();
      });
    }
  }

  /** Writes what waits now. */
  flush(): void {
    const frames = this.#frames;
    const [first] = frames;
    if (first === undefined) return;
    this.#frames = [];
    this.#bytes = 0;
    this.#write(frames.length === 1 ? first : ({ batch: frames } as unknown as Frame));
  }
}

/** The members of a batch, or the frame itself. A batch inside a batch is not looked into. */
export const membersOf = <Frame extends Batchable<Frame>>(frame: Frame): readonly Frame[] =>
  frame.batch !== undefined && frame.batch.length > 0 ? frame.batch : [frame];
