import type { RequestState } from '../wire/views.ts';
import { CollectedOutput } from './collected-output.ts';
import { LocalOutput } from './local-output.ts';
import type { Channel, WatchReader } from './request-watch.ts';

type Note = (line: string) => void;

const WAITS: Partial<Record<RequestState, string>> = {
  queued: 'waiting for the node to connect',
  awaiting_approval: 'waiting for an approval',
  awaiting_local_mediation: 'waiting for a yes at the machine',
};

/** What a person is told on the way, whatever becomes of the output. */
const remarks = (note: Note): Pick<WatchReader, 'state' | 'lost'> => {
  let away = false;
  return {
    state: (state) => {
      away = false;
      const wait = WAITS[state];
      if (wait !== undefined) note(wait);
    },
    lost: () => {
      if (!away) note('the daemon is away; looking for it again');
      away = true;
    },
  };
};

/** Failing writes are told where they are made; nobody else is to end the program for them. */
function takeOver(stream: NodeJS.WriteStream): void {
  stream.removeAllListeners('error');
  stream.on('error', () => undefined);
}

/** Passes the remote program's streams on to our own, apart and byte by byte. */
export function liveReader({ raw, note }: { readonly raw: boolean; readonly note: Note }): WatchReader {
  takeOver(process.stdout);
  takeOver(process.stderr);
  const local: Record<Channel, LocalOutput> = {
    stdout: new LocalOutput(process.stdout, { raw }),
    stderr: new LocalOutput(process.stderr, { raw }),
  };
  return {
    ...remarks(note),
    output: (channel, data) => local[channel].write(data),
    gap: (channel, from, to) => {
      process.stderr.write(`palyra: bytes ${from} to ${to} of ${channel} were not kept\n`);
    },
  };
}

/** Gathers the streams for one document. */
export function collectingReader(note: Note): { readonly reader: WatchReader; readonly collected: CollectedOutput } {
  const collected = new CollectedOutput();
  const reader: WatchReader = {
    ...remarks(note),
    output: async (channel, data) => collected.add(channel, data),
    gap: () => collected.gap(),
  };
  return { reader, collected };
}
