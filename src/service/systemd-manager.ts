import { PalyraError } from '../kernel/errors.ts';
import { showJournal } from './journal.ts';
import type { ServiceMachine } from './service-machine.ts';
import type { ServiceManager, ServiceTarget } from './service-manager.ts';
import { assertSystemd, Systemctl } from './systemctl.ts';
import { systemdInstall } from './systemd-install.ts';
import { endUnit, startUnit, type UnitControl } from './systemd-start.ts';
import { systemdStatus } from './systemd-status.ts';
import { systemdUninstall } from './systemd-uninstall.ts';
import { findUnit } from './systemd-unit.ts';

/** Services of systemd. */
export function systemdManager(target: ServiceTarget, machine: ServiceMachine): ServiceManager {
  const status = () => systemdStatus(target, machine);
  return {
    install: (request) => systemdInstall(target, machine, request),
    uninstall: (request) => systemdUninstall(target, machine, request),
    async start() {
      await startUnit(installed(target, machine), 'start');
      return await status();
    },
    async stop({ now }) {
      const control = installed(target, machine);
      if (now) await endUnit(control, 'stop');
      await control.systemctl.do('stop', control.place.name);
      // A program that was killed counts as failed, but it was asked for.
      if (now) await control.systemctl.try('reset-failed', control.place.name);
      return await status();
    },
    async restart({ now }) {
      const control = installed(target, machine);
      if (now) await endUnit(control, 'restart');
      await startUnit(control, now ? 'start' : 'restart');
      return await status();
    },
    status,
    logs: (request) => showJournal(installed(target, machine).place, request),
  };
}

function installed(target: ServiceTarget, machine: ServiceMachine): UnitControl {
  const { place, text } = findUnit(target, machine);
  if (text === undefined) {
    throw new PalyraError('service_not_installed', `no ${target.role} service is installed here`, {
      hint: `palyra ${target.role} install`,
    });
  }
  assertSystemd();
  return { systemctl: new Systemctl(machine, place.scope), machine, place };
}
