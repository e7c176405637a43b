import type { BigIntStats } from 'node:fs';

/** A folder inside a root, held so that names in it stay names in it, whatever happens to its own. */
export interface HeldFolder {
  /** The root that admitted it, as `roots[2]`. */
  readonly rule: string;
  readonly stats: BigIntStats;
  /** Of the root. */
  readonly rootStats: BigIntStats;
  /** Where it lies at this moment. Errors: path_refused, where that is inside no root any more. */
  whereInside(): Promise<Buffer>;
  /** What calls of the system take for a name in it. */
  child(name: Buffer): Buffer;
  /** Bytes that the node's user may still write to its file system. */
  freeBytes(): Promise<number>;
  /** Makes its names durable. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** A name in a folder, both inside a root. */
export interface HeldPlace {
  readonly folder: HeldFolder;
  readonly name: Buffer;
}
