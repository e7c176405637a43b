// Where unfinished files lie, so that the next start finds those of a process that was killed.
import { mkdir, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../kernel/errors.ts';
import { isPendingName } from './pending-name.ts';

export interface WriteJournal {
  /** Writes down that a file of ours is about to be at this path; the returned function crosses it out. */
  begin(path: Buffer): Promise<() => Promise<void>>;
}

/**
 * One small file for each write under way. Not synced: it is there after a kill of the process, and a power cut that
 * takes it may leave the unfinished file behind.
 */
export const folderJournal = (folder: string): WriteJournal => ({
  async begin(path) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const record = join(folder, lastName(path));
    await writeFile(record, path, { mode: 0o600, flag: 'wx' });
    return () => rm(record, { force: true });
  },
});

export interface SweptWrites {
  /** Paths of unfinished files that are gone now. */
  readonly removed: readonly string[];
  readonly left: readonly string[];
}

/** Removes what writes of an earlier process left unfinished. Before any new write. */
export async function sweepWrites(folder: string): Promise<SweptWrites> {
  const removed: string[] = [];
  const left: string[] = [];
  for (const name of await recordsIn(folder)) {
    const record = join(folder, name);
    const path = await readFile(record);
    try {
      // The record was cut short where it does not name what it is named after.
      if (lastName(path) === name) {
        await unlink(path);
        removed.push(path.toString());
      }
      await rm(record, { force: true });
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) await rm(record, { force: true });
      else if (systemCode(error) === undefined) throw error;
      // A disk that is away, a right that is missing: at the next start again.
      else left.push(path.toString());
    }
  }
  return { removed, left };
}

async function recordsIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter(isPendingName);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

const lastName = (path: Buffer): string => path.toString('latin1').split(/[\\/]/).at(-1) ?? '';
