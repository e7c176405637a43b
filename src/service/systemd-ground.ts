import { mkdirSync } from 'node:fs';
import { PalyraError } from '../kernel/errors.ts';
import { ensurePrivateDir } from '../kernel/files.ts';
import { roleHome } from '../kernel/paths.ts';
import { enableLinger, lingerCommand, userManagerReady } from './linger.ts';
import { accountMayUse, prepareHome } from './service-home.ts';
import type { ServiceMachine } from './service-machine.ts';
import type { InstallRequest, ServiceRole } from './service-manager.ts';
import { type Account, ensureServiceAccount, findAccount } from './system-account.ts';
import type { UnitFacts } from './unit-facts.ts';

interface GroundRequest {
  readonly role: ServiceRole;
  readonly machine: ServiceMachine;
  readonly request: InstallRequest;
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

/** Prepares account and home of a service of the machine. Needs root. */
export async function systemGround({ role, machine, request, former }: GroundRequest): Promise<Ground> {
  if (machine.uid !== 0) {
    throw new PalyraError('no_permission', 'only root registers services of the machine', {
      hint: `sudo palyra ${role} install, or as a service of your own: palyra ${role} install --user`,
    });
  }
  const { account, changes } = await accountFor(role, machine, request);
  if (!(await accountMayUse(machine.run, account, request.binary))) {
    throw new PalyraError('no_permission', `the user ${account.name} of the service cannot execute ${request.binary}`, {
      hint: `install -m 755 ${request.binary} /usr/local/bin/palyra, then /usr/local/bin/palyra ${role} install`,
    });
  }
  const formerUids = await uidsOf(machine, [former?.user, (await findDedicated(role, machine))?.name]);
  const home = { home: request.home, roleHome: roleHome(request.home, role) };
  const prepared = await prepareHome(machine.run, home, account, formerUids);
  const warnings =
    account.uid === 0
      ? ['the service runs as root: whoever may run commands on this node has the whole machine in hand']
      : [];
  return { user: account.name, account, madeLinger: false, changes: [...changes, ...prepared], warnings };
}
