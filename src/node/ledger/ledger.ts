// What this machine knows of the requests it was given: appended before it acts, never synced. Within one run of the
// operating system what was appended is there; after a power cut the id of the ledger changes, and what the old one
// knew is honestly unknown.
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { RecordedProcess } from '../../capabilities/processes/process-host.ts';
import type { Clock } from '../../kernel/clock.ts';
import { ensurePrivateDir, fileFailure } from '../../kernel/files.ts';
import type { Logger } from '../../kernel/log.ts';
import type { ResultMessage } from '../../rpc/frames.ts';
import { decodeResult, encodeResult } from './result-text.ts';

const COMPACT_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 1024 * 1024 * 1024;

const recordSchema = z.discriminatedUnion('t', [
  z.object({ t: z.literal('L'), ledger: z.string(), boot: z.string() }),
  z.object({ t: z.literal('S'), id: z.string() }),
  z.object({ t: z.literal('P'), id: z.string(), pid: z.int(), start: z.string() }),
  z.object({ t: z.literal('R'), id: z.string(), result: z.string() }),
  z.object({ t: z.literal('A'), id: z.string() }),
]);
type LedgerRecord = z.output<typeof recordSchema>;

/** What is known of one request that the daemon has not acknowledged. */
export interface LedgerItem {
  readonly requestId: string;
  /** Absent: started, and no end known. */
  result: ResultMessage | undefined;
  readonly processes: RecordedProcess[];
}

interface LedgerOptions {
  /** Made when it is missing. */
  readonly folder: string;
  readonly bootId: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Ledger {
  readonly id: string;
  readonly items: Map<string, LedgerItem>;
  readonly #path: string;
  readonly #bootId: string;
  #file: number;
  #bytes = 0;
  // Leaves with the next record: what a kill takes of it the daemon says again.
  #forgotten = '';

  /** Reads what an earlier process left. A damaged file is set aside and told. Errors: no_permission, disk_full. */
  constructor({ folder, bootId, clock, log }: LedgerOptions) {
    ensurePrivateDir(folder);
    this.#path = join(folder, 'requests.jsonl');
    this.#bootId = bootId;
    const found = this.#read(clock, log);
    this.id = found?.boot === bootId ? found.ledger : randomUUID();
    // Of another run of the system nothing runs any more; what had ended and was written is still true.
    this.items = found?.items ?? new Map<string, LedgerItem>();
    if (found !== undefined && found.boot !== bootId) {
      for (const item of this.items.values()) if (item.result === undefined) item.processes.splice(0);
    }
    this.#file = this.#rewrite();
  }

  /** Before a request starts. Errors: disk_full, no_permission: then it must not start. */
  started(requestId: string): void {
    this.#append({ t: 'S', id: requestId });
    this.items.set(requestId, { requestId, result: undefined, processes: [] });
  }

  /** A process of a request runs: a later process of this program can find and end it. */
  process(requestId: string, recorded: RecordedProcess): void {
    this.items.get(requestId)?.processes.push(recorded);
    this.#append({ t: 'P', id: requestId, pid: recorded.pid, start: recorded.startTime });
  }

  /** The end of a request, kept until it is acknowledged. Errors: disk_full; it is kept in memory all the same. */
  finished(requestId: string, result: ResultMessage): void {
    this.items.set(requestId, { requestId, result, processes: [] });
    this.#append({ t: 'R', id: requestId, result: encodeResult(result) });
  }

  /** The daemon has it, or wants it no more. */
  forget(requestId: string): void {
    if (!this.items.delete(requestId)) return;
    this.#forgotten += lineOf({ t: 'A', id: requestId });
    if (this.#bytes > COMPACT_BYTES) this.#file = this.#rewrite();
  }

  close(): void {
    if (this.#forgotten !== '') this.#append();
    closeSync(this.#file);
  }

  #append(...records: readonly LedgerRecord[]): void {
    const text = this.#forgotten + records.map(lineOf).join('');
    try {
      this.#bytes += writeSync(this.#file, text);
      this.#forgotten = '';
    } catch (cause) {
      throw fileFailure(cause, this.#path);
    }
  }

  #rewrite(): number {
    const records: LedgerRecord[] = [{ t: 'L', ledger: this.id, boot: this.#bootId }];
    for (const { requestId, result, processes } of this.items.values()) {
      records.push({ t: 'S', id: requestId });
      for (const { pid, startTime } of processes) records.push({ t: 'P', id: requestId, pid, start: startTime });
      if (result !== undefined) records.push({ t: 'R', id: requestId, result: encodeResult(result) });
    }
    const text = records.map(lineOf).join('');
    this.#forgotten = '';
    const fresh = `${this.#path}.new`;
    try {
      const before: number | undefined = this.#file;
      const file = openSync(fresh, 'w', 0o600);
      writeSync(file, text);
      renameSync(fresh, this.#path);
      if (before !== undefined) closeSync(before);
      this.#bytes = Buffer.byteLength(text);
      return file;
    } catch (cause) {
      throw fileFailure(cause, this.#path);
    }
  }

  #read(clock: Clock, log: Logger) {
    if (!existsSync(this.#path)) return undefined;
    try {
      if (statSync(this.#path).size > READ_BYTES) throw new Error('it is too large to be one of ours');
      const lines = readFileSync(this.#path, 'utf8').split('\n');
      // A write that was cut off by a kill leaves a part of a line, at the end only.
      lines.pop();
      return replay(lines.map((line) => recordSchema.parse(JSON.parse(line))));
    } catch (cause) {
      const aside = `${this.#path}.damaged-${clock.now()}`;
      renameSync(this.#path, aside);
      log.error({ err: cause, set_aside: aside }, 'the ledger is damaged and was set aside');
      return undefined;
    }
  }
}

const lineOf = (record: LedgerRecord): string => `${JSON.stringify(record)}\n`;

function replay(records: readonly LedgerRecord[]) {
  const [head] = records;
  if (head?.t !== 'L') throw new Error('it does not begin as a ledger');
  const items = new Map<string, LedgerItem>();
  for (const record of records.slice(1)) {
    switch (record.t) {
      case 'L':
        throw new Error('it begins twice');
      case 'S':
        items.set(record.id, { requestId: record.id, result: undefined, processes: [] });
        break;
      case 'P':
        items.get(record.id)?.processes.push({ pid: record.pid, startTime: record.start });
        break;
      case 'R':
        items.set(record.id, { requestId: record.id, result: decodeResult(record.result), processes: [] });
        break;
      case 'A':
        items.delete(record.id);
        break;
    }
  }
  return { ledger: head.ledger, boot: head.boot, items };
}
