import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { PalyraError, systemCode } from '../kernel/errors.ts';
import { fileFailure } from '../kernel/files.ts';
import { handOver } from './hand-over.ts';
import type { RunTool } from './run-tool.ts';
import type { Account } from './system-account.ts';

/**
 * Whether an account may enter a folder or execute a file, as the system itself decides it. True where that cannot be
 * asked: the start will tell.
 */
export async function accountMayUse(run: RunTool, { uid, gid }: Account, path: string): Promise<boolean> {
  const drop = [`--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--'];
  const { code } = await run('setpriv', [...drop, 'test', '-x', path]);
  return code !== 1;
}

function makeFolder(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    chmodSync(path, mode);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw fileFailure(error, path);
  }
}

/**
 * Makes a role's folder the service's own, below a home that root keeps: others may pass through it, not look into it.
 * Returns what was changed, a sentence each.
 */
export async function prepareHome(
  run: RunTool,
  { home, roleHome }: { home: string; roleHome: string },
  account: Account,
  formerUids: readonly number[],
): Promise<string[]> {
  const changes: string[] = [];
  mkdirSync(dirname(home), { recursive: true, mode: 0o755 });
  if (makeFolder(home, 0o711)) changes.push(`made ${home}`);
  const { uid, mode } = statSync(home);
  if (uid === 0 && (mode & 0o011) !== 0o011) {
    chmodSync(home, (mode & 0o777) | 0o011);
    changes.push(`let services pass through ${home}`);
  }
  if (makeFolder(roleHome, 0o700)) changes.push(`made ${roleHome}`);
  const count = handOver(roleHome, account, formerUids);
  if (count > 0) changes.push(`gave ${roleHome} to ${account.name}`);
  if (await accountMayUse(run, account, roleHome)) return changes;
  throw new PalyraError('no_permission', `${account.name} cannot enter ${roleHome}: a folder above it is closed`, {
    hint: 'choose a home that it can reach, or the default one, with --home',
  });
}
