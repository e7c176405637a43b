import { thisMachine } from './service-machine.ts';
import { noService, type ServiceRole, type ServiceScope, type ServiceStatus } from './service-manager.ts';
import { systemdStatus } from './systemd-status.ts';

/** State of this machine's service of a role, on every operating system; loads nothing beyond what it needs. */
export async function serviceStatus(role: ServiceRole, scope?: ServiceScope): Promise<ServiceStatus> {
  const machine = thisMachine();
  return machine.platform === 'linux' ? await systemdStatus({ role, scope }, machine) : noService('unsupported');
}
