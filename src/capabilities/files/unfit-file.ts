import type { BigIntStats } from 'node:fs';
import { PalyraError } from '../../kernel/errors.ts';
import type { Want } from './confined-file.ts';
import { entryKind } from './entry-view.ts';
import type { FileRules } from './file-rules.ts';
import { showPath } from './path-text.ts';

/** Refuses what is on another file system than its root, and hard links to files of somebody else. */
export function refuseUnfitStats(stats: BigIntStats, rootStats: BigIntStats, path: Buffer, rules: FileRules): void {
  if (stats.dev !== rootStats.dev && !rules.crossDevices) {
    throw new PalyraError('path_refused', `${showPath(path)} is on another file system than its root`, {
      hint: 'its owner adds it as a root of its own, or sets cross_devices in node-policy.json',
    });
  }
  // Whoever may write in the root could have linked any file of the file system into it.
  if (stats.isFile() && stats.nlink > 1n && stats.uid !== rootStats.uid) {
    throw new PalyraError('path_refused', `${showPath(path)} is a hard link to a file of another user`);
  }
}

/** Refuses what is not of the wanted kind. FIFOs, sockets and devices are never opened. */
export function refuseKind(stats: BigIntStats, path: Buffer, want: Want): void {
  if (want === 'any') return;
  if (want === 'directory') {
    if (!stats.isDirectory()) throw new PalyraError('not_a_directory', `${showPath(path)} is not a folder`);
    return;
  }
  if (stats.isFile()) return;
  if (stats.isDirectory()) {
    throw new PalyraError('not_a_file', `${showPath(path)} is a folder`, { hint: 'list it with filesystem.list' });
  }
  throw new PalyraError('path_refused', `${showPath(path)} is a ${entryKind(stats)}, not a file`);
}

/** Refuses what is no folder, or on another file system than its root. */
export function refuseUnfitFolder(stats: BigIntStats, rootStats: BigIntStats, path: Buffer, rules: FileRules): void {
  if (!stats.isDirectory()) {
    throw new PalyraError('not_a_directory', `${showPath(path)} leads through something that is not a folder`);
  }
  refuseUnfitStats(stats, rootStats, path, rules);
}

export const notAName = (path: Buffer): PalyraError =>
  new PalyraError('not_a_file', `${showPath(path)} is no name for a file`, {
    hint: 'name a file below a root, without / at the end',
  });
