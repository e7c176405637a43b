import { PalyraError } from '../kernel/errors.ts';
import { ensurePrivateDir } from '../kernel/files.ts';
import { roleHome } from '../kernel/paths.ts';
import { enableLinger, lingerCommand, userManagerReady } from './linger.ts';
import { assertOwnFolder } from './own-folder.ts';
import { accountMayUse, prepareHome } from './service-home.ts';
import type { ServiceMachine } from './service-machine.ts';
import type { InstallRequest, ServiceRole } from './service-manager.ts';
import { type Account, dedicatedAccount, ensureServiceAccount, findAccount } from './system-account.ts';
import type { UnitFacts } from './unit-facts.ts';

interface GroundRequest {
  readonly role: ServiceRole;
  readonly machine: ServiceMachine;
  readonly request: InstallRequest;
  /** What the service starts, where it stays. */
  readonly binary: string;
  /** What the unit that is there says of itself. */
  readonly former: UnitFacts | undefined;
}

/** What a unit stands on: its user, its folder, and whether it outlives a login. */
export interface Ground {
  readonly user: string;
  readonly account?: Account;
  readonly madeLinger: boolean;
  readonly changes: readonly string[];
  readonly warnings: readonly string[];
}

/** Prepares account and home of a service of the machine; only root can. */
export async function systemGround({ role, machine, request, binary, former }: GroundRequest): Promise<Ground> {
  const { run } = machine;
  const { account, changes } = await accountFor(role, machine, request);
  if (!(await accountMayUse(run, account, binary))) {
    throw new PalyraError('no_permission', `the user ${account.name} of the service cannot execute ${binary}`, {
      hint: `install -m 755 ${binary} /usr/local/bin/palyra, then: /usr/local/bin/palyra ${role} install`,
    });
  }
  const formerOwners = [former && (await findAccount(run, former.user)), await dedicatedAccount(run, role)];
  const formerUids = formerOwners.flatMap((owner) => (owner === undefined ? [] : [owner.uid]));
  const folders = { home: request.home, roleHome: roleHome(request.home, role) };
  const prepared = await prepareHome(run, folders, account, formerUids);
  const warnings =
    account.uid === 0 ? [`the service runs as root: whoever controls the ${role} has the whole machine in hand`] : [];
  return { user: account.name, account, madeLinger: false, changes: [...changes, ...prepared], warnings };
}

/** Prepares a service of the asking user: its folder, and that it runs without a login. */
export async function userGround({ role, machine, request, former }: GroundRequest): Promise<Ground> {
  ensurePrivateDir(roleHome(request.home, role));
  const user = machine.userName();
  const linger = await enableLinger(machine);
  if (!linger.on && request.requireLinger) {
    throw new PalyraError('no_permission', `the system does not let ${user} run services without a login`, {
      hint: lingerCommand(user),
    });
  }
  await userManagerReady(machine);
  return {
    user,
    madeLinger: linger.made || (former?.made_linger ?? false),
    changes: linger.made ? [`let services of ${user} run without a login (linger)`] : [],
    warnings: linger.on ? [] : [`the service ends when ${user} logs out; to prevent that: ${lingerCommand(user)}`],
  };
}

async function accountFor(
  role: ServiceRole,
  { run }: ServiceMachine,
  { home, runAs, asRoot }: InstallRequest,
): Promise<{ account: Account; changes: string[] }> {
  assertOwnFolder(roleHome(home, role), role);
  if (asRoot) return { account: { name: 'root', uid: 0, gid: 0 }, changes: [] };
  if (runAs === undefined) {
    const { made, ...account } = await ensureServiceAccount(run, role);
    return { account, changes: made ? [`made the system user ${account.name}`] : [] };
  }
  const account = await findAccount(run, runAs);
  if (account === undefined) {
    throw new PalyraError('not_found', `this machine has no user ${runAs}`, {
      hint: `useradd --system ${runAs}, or leave --run-as out`,
    });
  }
  if (account.uid !== 0) return { account, changes: [] };
  throw new PalyraError('usage', `the user ${runAs} is root`, { hint: 'if you mean it: --as-root' });
}
