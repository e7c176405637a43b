import { type BigIntStats, constants, fchmod, fchown, fsync, link, lstat, rename, unlink, write } from 'node:fs';
import { promisify } from 'node:util';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import { closeDescriptor, openDescriptor, statDescriptor } from './descriptor.ts';
import type { HeldFolder, HeldPlace } from './held-folder.ts';
import { pathFailure, showPath } from './path-text.ts';
import { pendingName } from './pending-name.ts';
import type { WriteJournal } from './write-journal.ts';

const writeAsync = promisify(write);
const fchmodAsync = promisify(fchmod);
const fchownAsync = promisify(fchown);
const fsyncAsync = promisify(fsync);
const linkAsync = promisify(link);
const renameAsync = promisify(rename);
const unlinkAsync = promisify(unlink);

// Fails where the name is taken, whatever has it.
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

/** A file that grows beside the place where it belongs, and is there as a whole or not at all. */
export interface PendingFile {
  /** Appends. Errors: disk_full and others of the system. */
  append(data: Buffer): Promise<void>;
  /** Gives it its rights, and makes what was written durable. */
  seal(mode: number, owner: Pick<BigIntStats, 'uid' | 'gid'> | undefined): Promise<void>;
  /** Puts it in its place. Errors: path_refused, conflict; file_exists where `onlyNew` and the name is taken. */
  place(onlyNew: boolean): Promise<BigIntStats>;
  /** Lets it go; nothing is left of it that was not placed. */
  close(): Promise<void>;
}

/** Begins a file for a place; only the node's user can read it until it is sealed. */
export async function pendingFile({ folder, name }: HeldPlace, journal?: WriteJournal): Promise<PendingFile> {
  const own = Buffer.from(pendingName());
  const where = Buffer.concat([await folder.whereInside(), Buffer.from('/'), own]);
  const crossOut = await journal?.begin(where);
  const path = folder.child(own);
  let fd: number;
  try {
    fd = await openDescriptor(path, NEW_FILE, 0o600);
  } catch (error) {
    await crossOut?.();
    throw error;
  }
  let size = 0;
  let placed = false;
  return {
    async append(data) {
      for (let at = 0; at < data.length; ) {
        const { bytesWritten } = await writeAsync(fd, data, at, data.length - at, size);
        at += bytesWritten;
        size += bytesWritten;
      }
    },
    async seal(mode, owner) {
      if (owner !== undefined) await handOver(fd, owner);
      await fchmodAsync(fd, mode);
      await fsyncAsync(fd);
    },
    async place(onlyNew) {
      const ours = await statDescriptor(fd);
      await folder.whereInside();
      await assertOurs(path, ours);
      if (onlyNew) await linkNew(path, folder, name);
      else await renameAsync(path, folder.child(name));
      placed = !onlyNew;
      await assertOurs(folder.child(name), ours);
      await folder.sync();
      return statDescriptor(fd);
    },
    async close() {
      await closeDescriptor(fd);
      if (!placed) await unlinkQuietly(path);
      await crossOut?.();
    },
  };
}

/** The owner of a file stays its owner where we may say so: as root, or within our own groups. */
async function handOver(fd: number, { uid, gid }: Pick<BigIntStats, 'uid' | 'gid'>): Promise<void> {
  const own = await statDescriptor(fd);
  if (own.uid === uid && own.gid === gid) return;
  try {
    await fchownAsync(fd, process.geteuid?.() === 0 ? Number(uid) : Number(own.uid), Number(gid));
  } catch (error) {
    if (systemCode(error) !== 'EPERM') throw error;
  }
}

/** Who may write in the folder, too, could have put something else under the name. */
async function assertOurs(path: Buffer, { dev, ino }: BigIntStats): Promise<void> {
  const now = await lstatQuietly(path);
  if (now?.dev === dev && now.ino === ino) return;
  throw new PalyraError('conflict', 'somebody else changed the folder while the file was written to it', {
    hint: 'see who writes there, and write it again',
  });
}

async function linkNew(from: Buffer, folder: HeldFolder, name: Buffer): Promise<void> {
  try {
    await linkAsync(from, folder.child(name));
  } catch (error) {
    switch (systemCode(error)) {
      case 'EEXIST':
        throw fileExists(name);
      case 'EPERM':
      case 'ENOTSUP':
      case 'EMLINK':
        throw new PalyraError('unsupported_platform', 'this file system cannot make a file only where none is', {
          hint: 'write it without create_only',
          cause: error,
        });
      case undefined:
      default:
        throw error;
    }
  }
}

export const fileExists = (name: Buffer): PalyraError =>
  new PalyraError('file_exists', `${showPath(name)} exists already`, {
    hint: 'leave out create_only to replace it',
  });

/** What has a name now, links not followed; undefined: nothing. */
export async function lstatQuietly(path: Buffer): Promise<BigIntStats | undefined> {
  return new Promise((resolve, reject) => {
    lstat(path, { bigint: true }, (error, stats) => {
      if (error === null) resolve(stats);
      else if (systemCode(error) === 'ENOENT') resolve(undefined);
      else reject(pathFailure(error, path));
    });
  });
}

async function unlinkQuietly(path: Buffer): Promise<void> {
  try {
    await unlinkAsync(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}
