import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { PalyraError } from '../kernel/errors.ts';
import { roleHome } from '../kernel/paths.ts';
import { disableLinger } from './linger.ts';
import { isOwnFolder } from './own-folder.ts';
import { removeEmptyFolders } from './remove-empty-folders.ts';
import type { ServiceMachine } from './service-machine.ts';
import type { ServiceRole, ServiceScope, ServiceTarget, UninstallReport, UninstallRequest } from './service-manager.ts';
import { copyPlace, removeCopy } from './stable-binary.ts';
import { dedicatedAccount, removeServiceAccount } from './system-account.ts';
import { assertSystemd, Systemctl } from './systemctl.ts';
import { findUnit, readUnit, type UnitPlace, unitPlace } from './systemd-unit.ts';
import { readFacts } from './unit-facts.ts';

/** `ServiceManager.uninstall` for systemd. Doing it twice is no error. */
export async function systemdUninstall(
  target: ServiceTarget,
  machine: ServiceMachine,
  { purge, home }: UninstallRequest,
): Promise<UninstallReport> {
  const { role } = target;
  const { place, text } = findUnit(target, machine);
  const facts = text === undefined ? undefined : readFacts(text);
  const changes: string[] = [];
  const left: string[] = [];
  if (text !== undefined) {
    assertSystemd();
    assertAllowed(role, place.scope, machine);
    if (facts === undefined) {
      throw new PalyraError('conflict', `${place.path} was not written by palyra`, { hint: `rm ${place.path}` });
    }
    await removeUnit(new Systemctl(machine, place.scope), place);
    changes.push(`stopped ${place.name} and removed ${place.path}`);
    const copy = copyPlace(place.scope, machine);
    if (existsSync(copy) && !otherRoleRuns(role, place.scope, machine, copy)) {
      removeCopy(place.scope, machine);
      changes.push(`removed ${copy}`);
    }
    if (facts.made_linger && !otherRoleIs(role, machine)) {
      const off = await disableLinger(machine);
      if (off) changes.push(`services of ${facts.user} end with its logins again (linger)`);
      else left.push(`linger of ${facts.user}: the system did not let us turn it off`);
    }
  } else if (purge) {
    assertAllowed(role, place.scope, machine);
  }
  await removeDropIns(`${place.path}.d`, purge, machine, { changes, left });
  const folder = roleHome(facts?.home ?? home, role);
  await removeHome(role, folder, purge, machine, { changes, left });
  // The next account that the system makes could get its number, and with it the files.
  const orphans = existsSync(folder);
  if (place.scope === 'system') await removeAccount(role, purge && !orphans, machine, { changes, left });
  return { was_installed: text !== undefined, changes, left };
}

interface Told {
  readonly changes: string[];
  readonly left: string[];
}

function assertAllowed(role: ServiceRole, scope: ServiceScope, { uid }: ServiceMachine): void {
  if (scope === 'user' || uid === 0) return;
  throw new PalyraError('no_permission', 'only root removes services of the machine', {
    hint: `sudo palyra ${role} uninstall`,
  });
}

async function removeUnit(systemctl: Systemctl, { name, path }: UnitPlace): Promise<void> {
  await systemctl.do('disable', '--now', name);
  rmSync(path, { force: true });
  // Of a user: as far up as ~/.config. The machine's own is never empty.
  removeEmptyFolders(dirname(path), 3);
  await systemctl.do('daemon-reload');
  // It fails for a unit that left nothing behind.
  await systemctl.try('reset-failed', name);
}

const otherRole = (role: ServiceRole): ServiceRole => (role === 'daemon' ? 'node' : 'daemon');

const otherRoleRuns = (role: ServiceRole, scope: ServiceScope, machine: ServiceMachine, program: string): boolean =>
  readUnit(unitPlace(otherRole(role), scope, machine).path)?.includes(program) ?? false;

const otherRoleIs = (role: ServiceRole, machine: ServiceMachine): boolean =>
  readUnit(unitPlace(otherRole(role), 'user', machine).path) !== undefined;

async function removeDropIns(folder: string, purge: boolean, machine: ServiceMachine, told: Told): Promise<void> {
  if (!existsSync(folder)) return;
  if (purge) await removeTree(folder, machine, told);
  else told.left.push(`${folder}: settings of your own`);
}

async function removeHome(
  role: ServiceRole,
  folder: string,
  purge: boolean,
  machine: ServiceMachine,
  told: Told,
): Promise<void> {
  if (!existsSync(folder)) return;
  if (!purge) {
    told.left.push(`${folder}: keys and state of the ${role}`);
    return;
  }
  if (!isOwnFolder(folder, role)) {
    told.left.push(`${folder}: its files are not of a ${role}`);
    return;
  }
  await removeTree(folder, machine, told);
  removeEmptyFolders(dirname(folder), 1);
}

/** By `rm`, which goes through folders by their descriptors: a link that is swapped in meanwhile leads it nowhere. */
async function removeTree(folder: string, { run }: ServiceMachine, { changes }: Told): Promise<void> {
  const { code, stderr } = await run('rm', ['-rf', '--one-file-system', '--', folder]);
  if (code !== 0) {
    throw new PalyraError('no_permission', `could not remove ${folder}: ${stderr.trim()}`, {
      hint: `remove it as its owner: ${dirname(folder)}`,
    });
  }
  changes.push(`removed ${folder}`);
}

async function removeAccount(role: ServiceRole, remove: boolean, machine: ServiceMachine, told: Told): Promise<void> {
  if (!remove) {
    const account = await dedicatedAccount(machine.run, role);
    if (account !== undefined) told.left.push(`the system user ${account.name}, which owns what is left`);
    return;
  }
  const removed = await removeServiceAccount(machine.run, role);
  if (removed !== undefined) told.changes.push(`removed the system user ${removed}`);
}
