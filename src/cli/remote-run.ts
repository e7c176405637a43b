import type { Readable } from 'node:stream';
import { systemClock } from '../kernel/clock.ts';
import type { RequestView } from '../wire/views.ts';
import { eventLines } from './event-lines.ts';
import { type Followed, followRequest } from './follow-request.ts';
import { collectingReader, liveReader } from './live-output.ts';
import type { OperatorClient } from './operator-client.ts';
import type { WatchTarget } from './request-watch.ts';

export interface RemoteRunOptions {
  readonly client: OperatorClient;
  readonly target: WatchTarget;
  readonly stdin?: Readable | undefined;
  /** `live`: our own streams; `json`: one document at the end; `ndjson`: a line for each event. */
  readonly format: 'live' | 'json' | 'ndjson';
  /** Control characters go to a terminal too. */
  readonly raw: boolean;
  readonly note: (line: string) => void;
  readonly onlyWatching?: boolean;
  readonly printJson: (document: unknown) => void;
}

/** The document of a run that scripts rely on (DESIGN 11). */
const runDocument = (request: RequestView, output: Record<string, string>, truncated: boolean) => ({
  request_id: request.request_id,
  device_id: request.device_id,
  state: request.state,
  exit_code: request.exit_code,
  signal: request.signal,
  ...output,
  truncated,
  duration_ms: request.duration_ms,
  output: request.output,
  error: request.error,
});

/** Follows a request to its end and shows it in the asked form. Errors: those of `followRequest`. */
export async function remoteRun(options: RemoteRunOptions): Promise<Followed> {
  const { client, target, stdin, format, raw, note, onlyWatching = false, printJson } = options;
  const follow = { client, clock: systemClock, target, stdin, note, onlyWatching };
  switch (format) {
    case 'live':
      return followRequest({ ...follow, reader: liveReader({ raw, note }) });
    case 'json': {
      const { reader, collected } = collectingReader(note);
      const followed = await followRequest({ ...follow, reader });
      printJson(runDocument(followed.request, collected.document(), collected.truncated));
      return followed;
    }
    case 'ndjson': {
      const { reader, line } = eventLines();
      const followed = await followRequest({ ...follow, reader });
      await line({ type: 'end', request: followed.request });
      return followed;
    }
  }
}
