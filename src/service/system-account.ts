import { PalyraError } from '../kernel/errors.ts';
import type { RunTool } from './run-tool.ts';
import type { ServiceRole } from './service-manager.ts';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

// A daemon and a node on one machine have different users: what a node is asked to run must not read the daemon's keys.
// The comment is how we know an account that we made: only such a one is ever removed.
const OURS: Readonly<Record<ServiceRole, { name: string; comment: string }>> = {
  daemon: { name: 'palyra', comment: 'Palyra daemon' },
  node: { name: 'palyra-node', comment: 'Palyra node host' },
};

/** The account of this name, from whatever source the system has. */
export async function findAccount(run: RunTool, name: string): Promise<(Account & { comment: string }) | undefined> {
  const { code, stdout } = await run('getent', ['passwd', name]);
  if (code !== 0) return undefined;
  const [found, , uid, gid, comment] = stdout.trim().split(':');
  if (found === undefined || !/^\d+$/.test(uid ?? '') || !/^\d+$/.test(gid ?? '')) return undefined;
  return { name: found, uid: Number(uid), gid: Number(gid), comment: comment ?? '' };
}

/** The dedicated account of a role: no login, no home. Made when it is missing. */
export async function ensureServiceAccount(run: RunTool, role: ServiceRole): Promise<Account & { made: boolean }> {
  const { name, comment } = OURS[role];
  const there = await findAccount(run, name);
  if (there !== undefined) {
    if (there.uid !== 0) return { ...there, made: false };
    throw new PalyraError('conflict', `the user ${name} of this machine is root`, { hint: 'give another by --run-as' });
  }
  const flags = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent'];
  const { code, stderr } = await run('useradd', [...flags, '--shell', '/usr/sbin/nologin', '--comment', comment, name]);
  const made = await findAccount(run, name);
  if (made !== undefined) return { ...made, made: true };
  throw new PalyraError('service_failed', `useradd did not make the system user ${name} (${code}): ${stderr.trim()}`, {
    hint: 'make a user for it yourself and name it by --run-as USER',
  });
}

/** The dedicated account of a role, if we made it. */
export async function dedicatedAccount(run: RunTool, role: ServiceRole): Promise<Account | undefined> {
  const { name, comment } = OURS[role];
  const account = await findAccount(run, name);
  return account?.comment === comment ? account : undefined;
}

/** Removes the dedicated account of a role if we made it; its name when it is gone. */
export async function removeServiceAccount(run: RunTool, role: ServiceRole): Promise<string | undefined> {
  const { name } = OURS[role];
  if ((await dedicatedAccount(run, role)) === undefined) return undefined;
  const { code, stderr } = await run('userdel', [name]);
  if (code === 0) return name;
  throw new PalyraError('service_failed', `userdel did not remove ${name} (${code}): ${stderr.trim()}`);
}
