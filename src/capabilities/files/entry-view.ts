import { isUtf8 } from 'node:buffer';
import type { BigIntStats } from 'node:fs';
import * as z from 'zod';

const entryKinds = ['file', 'directory', 'symlink', 'fifo', 'socket', 'device', 'unknown'] as const;
export type EntryKind = (typeof entryKinds)[number];

export function entryKind(stats: BigIntStats): EntryKind {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) return 'socket';
  if (stats.isBlockDevice() || stats.isCharacterDevice()) return 'device';
  return 'unknown';
}

export const entryFields = {
  kind: z.enum(entryKinds),
  size_bytes: z.int().nonnegative(),
  mtime_unix_ms: z.int(),
  /** Permission bits only. */
  mode: z.int().nonnegative(),
};

/** What is told of a file everywhere: milliseconds, bytes, permission bits. */
export const entryView = (stats: BigIntStats) => ({
  kind: entryKind(stats),
  size_bytes: Number(stats.size),
  mtime_unix_ms: Number(stats.mtimeMs),
  mode: Number(stats.mode & 0o7777n),
});

/** A name for JSON: as text, and as base64 beside it where the text cannot hold it. */
export const nameView = (name: Buffer) => ({
  name: name.toString(),
  ...(isUtf8(name) ? {} : { name_base64: name.toString('base64') }),
});
