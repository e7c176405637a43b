import { systemClock } from '../kernel/clock.ts';
import type { RequestView } from '../wire/views.ts';
import { openOutputFile } from './output-file.ts';
import { Progress } from './progress.ts';
import { type RemoteFileOptions, readRemoteFile } from './remote-file.ts';

/** Reads a file of a node into a local one, which is there whole or not at all. Errors: as `readRemoteFile`. */
export async function saveRemoteFile(options: Omit<RemoteFileOptions, 'write'>, path: string): Promise<RequestView> {
  const file = await openOutputFile(path);
  const progress = new Progress(systemClock);
  try {
    const request = await readRemoteFile({
      ...options,
      write: (data) => {
        progress.add(data.length);
        return file.write(data);
      },
    });
    await file.finish();
    return request;
  } catch (cause) {
    await file.discard();
    throw cause;
  } finally {
    progress.end();
  }
}
