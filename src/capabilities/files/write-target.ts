import type { BigIntStats } from 'node:fs';
import { PalyraError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import type { HeldPlace } from './held-folder.ts';
import { showPath } from './path-text.ts';
import { fileExists, lstatQuietly } from './pending-file.ts';
import { isPendingName } from './pending-name.ts';
import { refuseKind, refuseUnfitStats } from './unfit-file.ts';
import type { WriteRules } from './write-rules.ts';

const EXECUTABLE = 0o111;
const NEW_MODE = 0o600;

/** What a write would replace, and with which rights. */
export interface WriteTarget {
  /** Undefined: nothing has the name. */
  readonly stats: BigIntStats | undefined;
  readonly mode: number;
}

/**
 * Looks at what has the name now and whether it may be replaced. Errors: invalid_argument, path_refused, not_a_file,
 * policy_denied.
 */
export async function writeTarget(
  { folder, name }: HeldPlace,
  path: Buffer,
  mode: number | undefined,
  rules: WriteRules,
): Promise<WriteTarget> {
  if (name.length > LIMITS.fileNameBytes) {
    throw new PalyraError('invalid_argument', `a name has at most ${LIMITS.fileNameBytes} bytes, not ${name.length}`);
  }
  if (isPendingName(name.toString('latin1'))) {
    throw new PalyraError('path_refused', `${showPath(path)} has the name of a file that is being written`);
  }
  const stats = await lstatQuietly(folder.child(name));
  if (stats !== undefined) {
    refuseUnfitStats(stats, folder.rootStats, path, rules);
    refuseKind(stats, path, 'file');
  }
  const was = stats === undefined ? undefined : Number(stats.mode & 0o777n);
  const wanted = mode ?? was ?? NEW_MODE;
  if (!rules.executable && ((wanted | (was ?? 0)) & EXECUTABLE) !== 0) {
    const what = (wanted & EXECUTABLE) === 0 ? 'a program that would be replaced' : 'a file that can be executed';
    throw new PalyraError('policy_denied', `${showPath(path)}: the node's policy does not allow ${what}`, {
      hint: 'its owner sets "executable": true under filesystem.write in node-policy.json',
    });
  }
  return { stats, mode: wanted };
}

/** Whether a name still stands for what it stood for: nothing, or the same file with the same content. */
export const isUnchanged = (before: BigIntStats | undefined, now: BigIntStats | undefined): boolean =>
  before === undefined || now === undefined
    ? before === now
    : before.dev === now.dev &&
      before.ino === now.ino &&
      before.size === now.size &&
      before.mtimeNs === now.mtimeNs &&
      before.ctimeNs === now.ctimeNs;

/** Errors: file_exists. */
export function refuseTaken(createOnly: boolean, { name }: HeldPlace, { stats }: WriteTarget): void {
  if (createOnly && stats !== undefined) throw fileExists(name);
}
