import { outputOf } from '../store/request-output.ts';
import type { CapabilityRequestRow } from '../store/schema.ts';
import type { Executor } from '../store/store.ts';
import type { Attachment, KeptChannel, KeptOutput, OutputChannel, Watcher, WatchOffsets } from './types.ts';

const NOTHING = Buffer.alloc(0);

/** What the record of an ended request has of its streams. */
export async function keptOutput(db: Executor, row: CapabilityRequestRow): Promise<KeptOutput> {
  const rows = await outputOf(db, row.request_id);
  const of = (channel: OutputChannel, sizeBytes: number): KeptChannel => {
    const kept = rows.find((candidate) => candidate.channel === channel);
    const head = kept?.head ?? NOTHING;
    const tail = kept?.tail ?? null;
    const tailOffsetBytes = kept === undefined || tail === null ? sizeBytes : kept.tail_offset_bytes;
    return { head, tail, tailOffsetBytes, sizeBytes, truncated: tailOffsetBytes > head.length };
  };
  return { stdout: of('stdout', row.stdout_bytes), stderr: of('stderr', row.stderr_bytes) };
}

/** Tells a watcher that comes late what is kept from its offsets on, and the end. */
export function replay(watcher: Watcher, from: WatchOffsets, row: CapabilityRequestRow, kept: KeptOutput): Attachment {
  let listening = true;
  const channel = (name: OutputChannel, offset: number): void => {
    const { head, tail, tailOffsetBytes, sizeBytes } = kept[name];
    let at = offset;
    if (at < head.length) {
      watcher.deliver({ type: 'output', channel: name, offset: at, data: head.subarray(at) });
      at = head.length;
    }
    const next = tail === null ? sizeBytes : tailOffsetBytes;
    if (at < next) {
      watcher.deliver({ type: 'gap', channel: name, from: at, to: next });
      at = next;
    }
    if (tail !== null && at < sizeBytes) {
      watcher.deliver({ type: 'output', channel: name, offset: at, data: tail.subarray(at - tailOffsetBytes) });
    }
  };
  // Not before the caller has its attachment.
  queueMicrotask(() => {
    if (!listening) return;
    channel('stdout', from.stdoutBytes);
    channel('stderr', from.stderrBytes);
    watcher.deliver({ type: 'end', request: row });
  });
  return {
    acknowledge: () => undefined,
    detach: () => {
      listening = false;
    },
  };
}
