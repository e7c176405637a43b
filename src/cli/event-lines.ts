import { textOrBase64 } from '../wire/text-or-base64.ts';
import { LocalOutput } from './local-output.ts';
import type { WatchReader } from './request-watch.ts';

/** Every event of a request as a line of JSON, in the names of the HTTP stream. */
export function eventLines(): { readonly reader: WatchReader; readonly line: (event: unknown) => Promise<void> } {
  process.stdout.removeAllListeners('error');
  process.stdout.on('error', () => undefined);
  const stdout = new LocalOutput(process.stdout, { raw: true });
  const line = (event: unknown): Promise<void> => stdout.write(Buffer.from(`${JSON.stringify(event)}\n`));
  const tell = (event: unknown): void => {
    // The next piece of output finds the closed pipe; an event alone need not.
    line(event).catch(() => undefined);
  };
  const reader: WatchReader = {
    attached: (requestId, reused) => tell({ type: 'request', request_id: requestId, reused }),
    state: (state) => tell({ type: 'state', state }),
    output: (channel, data, offset) => line({ type: 'output', channel, offset, ...textOrBase64('data', data) }),
    gap: (channel, from, to) => tell({ type: 'gap', channel, from, to }),
  };
  return { reader, line };
}
