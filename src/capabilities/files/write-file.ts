import { createHash } from 'node:crypto';
import { PalyraError } from '../../kernel/errors.ts';
import type { CapabilityContext } from '../capability.ts';
import type { FileAccess } from './confined-file.ts';
import type { DayQuota } from './day-quota.ts';
import { entryView } from './entry-view.ts';
import { fileDigest } from './file-digest.ts';
import type { HeldPlace } from './held-folder.ts';
import type { OneAtATime } from './one-at-a-time.ts';
import { showPath } from './path-text.ts';
import { type PendingFile, pendingFile } from './pending-file.ts';
import type { WriteInput } from './write-input.ts';
import type { WriteJournal } from './write-journal.ts';
import type { WriteRules } from './write-rules.ts';
import { isUnchanged, refuseTaken, type WriteTarget, writeTarget } from './write-target.ts';

/** How much arrives between two looks at the disk. */
const LOOK_BYTES = 16 * 1024 * 1024;

export interface WriteParts {
  readonly input: WriteInput;
  readonly path: Buffer;
  readonly place: HeldPlace;
  readonly rules: WriteRules;
  readonly context: CapabilityContext;
  readonly files: FileAccess;
  readonly journal: WriteJournal | undefined;
  readonly quota: DayQuota;
  /** From the last look at a name to its change: two requests about one file do not get in between each other. */
  readonly commits: OneAtATime;
}

/** One write, from the first look at its place to the file that is there. */
export class FileWrite {
  readonly #parts: WriteParts;

  constructor(parts: WriteParts) {
    this.#parts = parts;
  }

  /** Errors: those of the system, and of what is refused; whatever was there before is still whole then. */
  async run() {
    const { input, place, context, journal, commits } = this.#parts;
    const { stdin } = context;
    if (stdin === undefined) {
      throw new PalyraError('invalid_argument', 'there is nothing to write: the content comes as standard input', {
        hint: 'make the request with "stdin_mode": "stream" and send the content to its stdin',
      });
    }
    const target = await this.#target();
    await this.#expectContent(target);
    if (input.size_bytes !== undefined) await this.#refuseSize(0, input.size_bytes);
    const pending = await pendingFile(place, journal);
    try {
      const sha256 = await this.#receive(pending, stdin);
      await pending.seal(target.mode, target.stats);
      const stats = await commits.run(async () => {
        context.signal.throwIfAborted();
        await this.#refuseChange(target);
        return pending.place(input.create_only);
      });
      return { output: { ...entryView(stats), created: target.stats === undefined, sha256 } };
    } finally {
      await pending.close();
    }
  }

  async #target(): Promise<WriteTarget> {
    const { input, path, place, rules } = this.#parts;
    const target = await writeTarget(place, path, input.mode, rules);
    refuseTaken(input.create_only, place, target);
    return target;
  }

  async #expectContent({ stats }: WriteTarget): Promise<void> {
    const { input, path, rules, files, context } = this.#parts;
    if (input.expect_sha256 === undefined) return;
    if (stats === undefined) throw this.#differs('does not exist');
    const file = await files.open(path, 'file', rules);
    try {
      if (!isUnchanged(stats, file.stats)) throw this.#differs('was changed just now');
      if ((await fileDigest(file, context.signal)) !== input.expect_sha256) throw this.#differs('has other content');
    } finally {
      await file.close();
    }
  }

  /** What was decided about must still be so; a changed file matters where its content was named. */
  async #refuseChange(before: WriteTarget): Promise<void> {
    const now = await this.#target();
    if (this.#parts.input.expect_sha256 === undefined || isUnchanged(before.stats, now.stats)) return;
    throw this.#differs('was changed meanwhile');
  }

  #differs(why: string): PalyraError {
    return new PalyraError('file_differs', `${showPath(this.#parts.path)} ${why}; it was left as it is`, {
      hint: 'read it again and decide anew',
    });
  }

  /** Takes the content to its end. Resolves with its SHA-256 once it is what was announced. */
  async #receive(pending: PendingFile, stdin: AsyncIterable<Buffer>): Promise<string> {
    const { input, context, quota, rules } = this.#parts;
    const hash = createHash('sha256');
    let bytes = 0;
    let looked = 0;
    for await (const data of stdin) {
      context.signal.throwIfAborted();
      if (bytes === 0 || bytes - looked >= LOOK_BYTES) {
        await this.#refuseSize(bytes, data.length);
        looked = bytes;
      }
      bytes += data.length;
      if (bytes > Math.min(rules.maxBytes, input.size_bytes ?? Infinity)) await this.#refuseSize(bytes, 0);
      quota.take(data.length, rules.maxDayBytes, context.clock);
      hash.update(data);
      await pending.append(data);
    }
    // The input of a request that was ended looks like one that is over.
    context.signal.throwIfAborted();
    const sha256 = hash.digest('hex');
    const { size_bytes: announced = bytes, sha256: wanted = sha256 } = input;
    if (bytes !== announced || sha256 !== wanted) throw this.#otherBytes(bytes);
    return sha256;
  }

  async #refuseSize(received: number, more: number): Promise<void> {
    const { input, path, place, rules } = this.#parts;
    if (received + more > rules.maxBytes) {
      throw new PalyraError('payload_too_large', `${showPath(path)}: a file may have at most ${rules.maxBytes} bytes`, {
        hint: 'its owner sets max_bytes of filesystem.write in node-policy.json',
      });
    }
    if (received > (input.size_bytes ?? Infinity)) throw this.#otherBytes(received);
    if ((await place.folder.freeBytes()) - more < rules.minFreeBytes) {
      throw new PalyraError('disk_full', `${showPath(path)}: less than ${rules.minFreeBytes} bytes would stay free`, {
        hint: 'free some space on the node; what was there before is still whole',
      });
    }
  }

  #otherBytes(bytes: number): PalyraError {
    return new PalyraError('integrity_mismatch', `${bytes} bytes arrived that are not what was announced`, {
      hint: 'write it again; what was there before is still whole',
    });
  }
}
