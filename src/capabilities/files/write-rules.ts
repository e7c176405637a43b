import * as z from 'zod';
import { LIMITS } from '../../kernel/limits.ts';
import { type FileRules, folderPath, prepareRoots } from './file-rules.ts';

/** What the owner says about writing files. Links are never followed. */
export const writePolicy = z.strictObject({
  /** Folders in which files may be made and replaced. They need not be readable. */
  roots: z.array(folderPath).max(64).default([]),
  cross_devices: z.boolean().default(false),
  /** Write files with the names of private keys: `*.pem`, `id_*`. */
  allow_secrets: z.boolean().default(false),
  /** Make files that can be executed, and replace such. */
  executable: z.boolean().default(false),
  /** Most bytes of one file. */
  max_bytes: z.int().positive().default(LIMITS.fileWriteBytes),
  /** Most bytes of all writes in 24 hours. */
  max_day_bytes: z.int().positive().default(LIMITS.fileWriteDayBytes),
  /** A write never leaves less than this free on its disk. */
  min_free_bytes: z.int().nonnegative().default(LIMITS.fileWriteFreeBytes),
});

export interface WriteRules extends FileRules {
  readonly executable: boolean;
  readonly maxBytes: number;
  readonly maxDayBytes: number;
  readonly minFreeBytes: number;
}

export const prepareWriteRules = (policy: z.output<typeof writePolicy>): WriteRules => ({
  roots: prepareRoots(policy.roots, 'roots'),
  followSymlinks: false,
  crossDevices: policy.cross_devices,
  allowSecrets: policy.allow_secrets,
  executable: policy.executable,
  maxBytes: policy.max_bytes,
  maxDayBytes: policy.max_day_bytes,
  minFreeBytes: policy.min_free_bytes,
});
