import { realpathSync } from 'node:fs';
import { isAbsolute, normalize } from 'node:path';
import * as z from 'zod';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { showPath } from './path-text.ts';

/** A folder as the owner names one in the policy. */
export const folderPath = z
  .string()
  .min(1)
  .max(LIMITS.pathLength)
  .refine((path) => isAbsolute(path) && !path.includes('\0'), 'must be an absolute path')
  .refine((path) => !path.split(/[\\/]/).includes('..'), 'must not have .. in it')
  .refine((path) => !/^\/(?:proc|sys|dev)(?:\/|$)/.test(path), 'must not be in /proc, /sys or /dev');

/** What the owner says about reading files. */
export const filePolicy = z.strictObject({
  /** Folders whose contents may be read. */
  roots: z.array(folderPath).max(64).default([]),
  /** Follow symbolic links in a root, as long as they end in a root. */
  follow_symlinks: z.boolean().default(false),
  /** Enter other file systems that are mounted in a root. */
  cross_devices: z.boolean().default(false),
  /** Open private keys by name: `*.pem`, `id_*`. */
  allow_secrets: z.boolean().default(false),
});

export interface Root {
  /** As the policy has it. */
  readonly configured: string;
  /** Where it was when the policy was loaded: links above a root count once, by the owner's word. */
  readonly real: Buffer;
  readonly rule: string;
}

export interface FileRules {
  readonly roots: readonly Root[];
  readonly followSymlinks: boolean;
  readonly crossDevices: boolean;
  readonly allowSecrets: boolean;
}

export const prepareFileRules = (policy: z.output<typeof filePolicy>): FileRules => ({
  roots: prepareRoots(policy.roots, 'roots'),
  followSymlinks: policy.follow_symlinks,
  crossDevices: policy.cross_devices,
  allowSecrets: policy.allow_secrets,
});

export const prepareRoots = (folders: readonly string[], field: string): Root[] =>
  folders.map((folder, index) => {
    const configured = withoutSlash(normalize(folder));
    return { configured, real: realFolder(configured), rule: `${field}[${index}]` };
  });

function realFolder(path: string): Buffer {
  try {
    return realpathSync.native(path, { encoding: 'buffer' });
  } catch (error) {
    // It may come later (a disk that is not mounted yet); then it must be there by exactly this name.
    if (systemCode(error) === undefined) throw error;
    return Buffer.from(path);
  }
}

const withoutSlash = (path: string): string => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path);

export const outsideRoots = (path: Buffer | string, roots: readonly Root[], field = 'roots'): PalyraError =>
  new PalyraError('path_outside_roots', `${showPath(path)} is not inside a root that the node's policy allows`, {
    hint:
      roots.length === 0
        ? `the policy allows no root; its owner adds one under ${field} in node-policy.json`
        : `allowed: ${roots.map(({ configured }) => configured).join(', ')}`,
  });
