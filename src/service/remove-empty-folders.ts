import { rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from '../kernel/errors.ts';

/** Removes a folder and up to `levels - 1` above it, as long as nothing is in them. */
export function removeEmptyFolders(folder: string, levels: number): void {
  if (levels === 0) return;
  try {
    rmdirSync(folder);
  } catch (error) {
    const code = systemCode(error) ?? '';
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EACCES', 'EPERM', 'EBUSY', 'EROFS'].includes(code)) return;
    throw error;
  }
  removeEmptyFolders(dirname(folder), levels - 1);
}
