import { PalyraError } from '../kernel/errors.ts';
import { VERSION } from '../kernel/version.ts';
import { disableLinger } from './linger.ts';
import { binaryWarnings, serviceBinary } from './service-binary.ts';
import type { ServiceMachine } from './service-machine.ts';
import type { InstallReport, InstallRequest, ServiceRole, ServiceScope, ServiceTarget } from './service-manager.ts';
import { type StableBinary, stableBinary, staysPut } from './stable-binary.ts';
import { assertSystemd, Systemctl } from './systemctl.ts';
import { type Ground, systemGround, userGround } from './systemd-ground.ts';
import { registerUnit } from './systemd-register.ts';
import { systemdStatus } from './systemd-status.ts';
import { unitText } from './systemd-text.ts';
import { defaultScope, readUnit, unitPlace } from './systemd-unit.ts';
import { readFacts } from './unit-facts.ts';

/** `ServiceManager.install` for systemd. */
export async function systemdInstall(
  target: ServiceTarget,
  machine: ServiceMachine,
  request: InstallRequest,
): Promise<InstallReport> {
  assertSystemd();
  const { role } = target;
  const scope = target.scope ?? defaultScope(machine);
  assertScope(role, scope, machine);
  const place = unitPlace(role, scope, machine);
  const before = readUnit(place.path);
  const former = before === undefined ? undefined : readFacts(before);
  if (before !== undefined && former === undefined) {
    throw new PalyraError('conflict', `${place.path} exists and was not written by palyra`, {
      hint: `move it away, or keep its settings in a drop-in: systemctl edit ${place.name}`,
    });
  }
  const systemctl = new Systemctl(machine, scope);
  const control = { systemctl, machine, place };
  // Also one that was about to be started again.
  const wasActive = /^(active|activating|reloading)$/.test(
    (await systemctl.show(place.name, 'ActiveState'))?.['ActiveState'] ?? '',
  );
  const program = serviceBinary(request.binary);
  const binary = request.binary === undefined ? stableBinary(program, scope, machine) : staysPut(program);
  let ground: Ground | undefined;
  try {
    const prepare = scope === 'system' ? systemGround : userGround;
    ground = await prepare({ role, control, wasActive, request, former, binary: binary.path });
    const text = unitText({
      role,
      scope,
      binary: binary.path,
      account: ground.account,
      systemdVersion: await systemctl.version(),
      facts: {
        version: VERSION,
        profile: request.hardened ? 'hardened' : 'open',
        home: request.home,
        user: ground.user,
        made_linger: ground.madeLinger,
      },
    });
    const unit = await registerUnit(control, {
      before,
      text,
      wasActive,
      newProgram: binary.copied,
      restore: () => {
        binary.undo();
        ground?.giveBack();
      },
    });
    binary.keep();
    return {
      service: await systemdStatus({ role, scope }, machine),
      unit,
      changes: changesOf(ground, binary, unit === 'unchanged' ? undefined : place.path),
      warnings: [...ground.warnings, ...(scope === 'system' ? binaryWarnings(binary.path) : [])],
    };
  } catch (error) {
    binary.undo();
    if (ground?.madeLinger && former === undefined) await disableLinger(machine);
    throw error;
  }
}

function assertScope(role: ServiceRole, scope: ServiceScope, { uid }: ServiceMachine): void {
  if (scope === 'system' && uid !== 0) {
    throw new PalyraError('no_permission', 'only root registers services of the machine', {
      hint: `sudo palyra ${role} install, or as a service of your own: palyra ${role} install --user`,
    });
  }
  if (scope === 'user' && uid === 0) {
    throw new PalyraError('usage', 'root has services of the machine, not of a user', {
      hint: `leave --user out, or run it without sudo: palyra ${role} install --user`,
    });
  }
}

function changesOf({ changes }: Ground, { copied, path }: StableBinary, unitPath: string | undefined): string[] {
  return [
    ...(copied ? [`copied the program to ${path}`] : []),
    ...changes,
    ...(unitPath === undefined ? [] : [`wrote ${unitPath}`]),
  ];
}
