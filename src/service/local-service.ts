import { PalyraError } from '../kernel/errors.ts';
import { thisMachine } from './service-machine.ts';
import type { ServiceManager, ServiceTarget } from './service-manager.ts';
import { systemdManager } from './systemd-manager.ts';

/** The service of a role on this machine. Errors: `unsupported_platform` where we cannot register services. */
export function localService(target: ServiceTarget): ServiceManager {
  const machine = thisMachine();
  if (machine.platform === 'linux') return systemdManager(target, machine);
  throw new PalyraError('unsupported_platform', `services are not supported on ${machine.platform}`, {
    hint: `run palyra ${target.role === 'node' ? 'node run' : 'daemon serve'} under the supervisor that you have`,
  });
}
