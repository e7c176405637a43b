import { PalyraError } from '../kernel/errors.ts';
import { ensurePrivateDir } from '../kernel/files.ts';
import { roleHome } from '../kernel/paths.ts';
import { handOver } from './hand-over.ts';
import { enableLinger, lingerCommand, userManagerReady } from './linger.ts';
import { assertOwnFolder } from './own-folder.ts';
import { accountMayUse, prepareHome } from './service-home.ts';
import type { ServiceMachine } from './service-machine.ts';
import type { InstallRequest, ServiceRole } from './service-manager.ts';
import { type Account, dedicatedAccount, ensureServiceAccount, findAccount } from './system-account.ts';
import type { UnitControl } from './systemd-start.ts';
import { readUnit, unitPlace } from './systemd-unit.ts';
import { readFacts, type UnitFacts } from './unit-facts.ts';

interface GroundRequest {
  readonly role: ServiceRole;
  readonly control: UnitControl;
  /** The unit ran, or was meant to, when the install began. */
  readonly wasActive: boolean;
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
  /** Gives the folder back to its former user, for a unit that could not be started under the new one. */
  giveBack(): void;
}

const ROLES: readonly ServiceRole[] = ['daemon', 'node'];

/** What a user's unit of a role says of itself: linger that one role made is there for both. */
function unitFacts(role: ServiceRole, machine: ServiceMachine): UnitFacts | undefined {
  const text = readUnit(unitPlace(role, 'user', machine).path);
  return text === undefined ? undefined : readFacts(text);
}

/** Prepares account and home of a service of the machine; only root can. */
export async function systemGround(asked: GroundRequest): Promise<Ground> {
  const { role, control, request, binary, former, wasActive } = asked;
  const { machine, systemctl, place } = control;
  const { run } = machine;
  const { account, changes } = await accountFor(role, machine, request);
  if (!(await accountMayUse(run, account, binary))) {
    throw new PalyraError('no_permission', `the user ${account.name} of the service cannot execute ${binary}`, {
      hint: `install -m 755 ${binary} /usr/local/bin/palyra, then: /usr/local/bin/palyra ${role} install`,
    });
  }
  const formerAccount = former && (await findAccount(run, former.user));
  const owners = [formerAccount, await dedicatedAccount(run, role)].filter((owner) => owner !== undefined);
  const formerUids = owners.map(({ uid }) => uid);
  const folders = { home: request.home, roleHome: roleHome(request.home, role) };
  const changesHands = formerAccount !== undefined && formerAccount.uid !== account.uid;
  // What runs under the former user would go on to write files as that user.
  if (changesHands) await systemctl.try('stop', place.name);
  const giveBack = (): void => {
    if (changesHands && former?.home === request.home) handOver(folders.roleHome, formerAccount, [account.uid]);
  };
  let prepared: string[];
  try {
    prepared = await prepareHome(run, folders, account, formerUids);
  } catch (error) {
    giveBack();
    if (changesHands && wasActive) await systemctl.try('start', '--no-block', place.name);
    throw error;
  }
  const warnings =
    account.uid === 0 ? [`the service runs as root: whoever controls the ${role} has the whole machine in hand`] : [];
  return { user: account.name, account, madeLinger: false, changes: [...changes, ...prepared], warnings, giveBack };
}

/** Prepares a service of the asking user: its folder, and that it runs without a login. */
export async function userGround({ role, control, request }: GroundRequest): Promise<Ground> {
  const { machine } = control;
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
    madeLinger: linger.made || ROLES.some((each) => unitFacts(each, machine)?.made_linger),
    changes: linger.made ? [`let services of ${user} run without a login (linger)`] : [],
    giveBack: () => undefined,
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
