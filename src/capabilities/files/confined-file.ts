import type { BigIntStats } from 'node:fs';
import type { FileRules } from './file-rules.ts';
import type { HeldPlace } from './held-folder.ts';

/** What the caller means to do with it: read its bytes, list it, or only look at it. */
export type Want = 'file' | 'directory' | 'any';

/** Something inside a root, held so that it stays the same thing whatever happens to its name. */
export interface ConfinedFile {
  /** The root that admitted it, as `roots[2]`. */
  readonly rule: string;
  /** At the moment it was opened. */
  readonly stats: BigIntStats;
  /** Now. */
  stat(): Promise<BigIntStats>;
  /** Bytes from `position` on; 0 at the end. Opened as `file` only. */
  read(target: Buffer, position: number): Promise<number>;
  /** Names in it, in the order of the file system. Opened as `directory` only. */
  names(): AsyncIterable<Buffer>;
  /** What a name in it is, links not followed; undefined when it is gone. */
  entry(name: Buffer): Promise<BigIntStats | undefined>;
  close(): Promise<void>;
}

/** The file system as capabilities may use it; how far the confinement goes differs by platform (docs/security.md). */
export interface FileAccess {
  /** Why files cannot be confined on this machine; undefined when they can. */
  unavailable(): string | undefined;
  /**
   * Opens what an absolute path names. Errors: invalid_argument, path_outside_roots, path_refused, path_not_found,
   * not_a_file, not_a_directory, no_permission, node_busy.
   */
  open(path: Buffer, want: Want, rules: FileRules): Promise<ConfinedFile>;
  /**
   * Opens the folder of what an absolute path names; whether the name is taken is not looked at, and no link is
   * followed. Errors: as `open`.
   */
  place(path: Buffer, rules: FileRules): Promise<HeldPlace>;
}
