import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { PalyraError } from '../kernel/errors.ts';
import { writeFileDurable } from '../kernel/files.ts';
import { VERSION } from '../kernel/version.ts';
import { binaryWarnings } from './service-binary.ts';
import type { ServiceMachine } from './service-machine.ts';
import type { InstallReport, InstallRequest, ServiceTarget } from './service-manager.ts';
import { type Ground, systemGround, userGround } from './systemd-ground.ts';
import { startUnit } from './systemd-start.ts';
import { systemdStatus } from './systemd-status.ts';
import { unitText } from './systemd-text.ts';
import { defaultScope, readUnit, type UnitPlace, unitPlace } from './systemd-unit.ts';
import { assertSystemd, Systemctl } from './systemctl.ts';
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
  const place = unitPlace(role, scope, machine);
  const before = readUnit(place.path);
  const former = before === undefined ? undefined : readFacts(before);
  if (before !== undefined && former === undefined) throw notOurs(place);
  const prepare = scope === 'system' ? systemGround : userGround;
  const ground = await prepare({ role, machine, request, former });

  const systemctl = new Systemctl(machine, scope);
  const text = unitText({
    role,
    scope,
    binary: request.binary,
    account: ground.account,
    systemdVersion: await systemctl.version(),
    facts: {
      version: VERSION,
      profile: role === 'daemon' || request.hardened ? 'hardened' : 'open',
      home: request.home,
      user: ground.user,
      made_linger: ground.madeLinger,
    },
  });
  const registered = await register({ systemctl, machine, place, before, text });
  return {
    service: await systemdStatus({ role, scope }, machine),
    unit: registered,
    changes: [...ground.changes, ...(registered === 'unchanged' ? [] : [`wrote ${place.path}`])],
    warnings: [...warningsOf(request, ground, place)],
  };
}

/** Puts the unit in place and starts it; what was there before comes back when it does not become ready. */
async function register(given: {
  systemctl: Systemctl;
  machine: ServiceMachine;
  place: UnitPlace;
  before: string | undefined;
  text: string;
}): Promise<InstallReport['unit']> {
  const { systemctl, machine, place, before, text } = given;
  if (text === before) {
    await systemctl.do('enable', place.name);
    await startUnit(given, 'start');
    return 'unchanged';
  }
  const wasActive = (await systemctl.try('is-active', '--quiet', place.name)).code === 0;
  mkdirSync(dirname(place.path), { recursive: true });
  await writeFileDurable(place.path, text, 0o644);
  try {
    // Absent where there is no SELinux; it gives the file the label that systemd may read.
    await machine.run('restorecon', ['-F', place.path]);
    await systemctl.do('daemon-reload');
    await systemctl.do('enable', place.name);
    await startUnit(given, 'restart');
  } catch (error) {
    await putBack({ systemctl, place, before, wasActive });
    throw error;
  }
  return before === undefined ? 'created' : 'replaced';
}

async function putBack(given: {
  systemctl: Systemctl;
  place: UnitPlace;
  before: string | undefined;
  wasActive: boolean;
}): Promise<void> {
  const { systemctl, place, before, wasActive } = given;
  await systemctl.try('stop', place.name);
  if (before === undefined) {
    await systemctl.try('disable', place.name);
    rmSync(place.path, { force: true });
  } else {
    await writeFileDurable(place.path, before, 0o644);
  }
  await systemctl.try('daemon-reload');
  await systemctl.try('reset-failed', place.name);
  if (wasActive) await systemctl.try('start', '--no-block', place.name);
}

/** Refuses to touch a unit of our name that somebody else wrote. */
export const notOurs = (place: UnitPlace): PalyraError =>
  new PalyraError('conflict', `${place.path} exists and was not written by palyra`, {
    hint: `move it away, or keep its settings in a drop-in: systemctl edit ${place.name}`,
  });

function* warningsOf(request: InstallRequest, ground: Ground, place: UnitPlace): Generator<string> {
  yield* ground.warnings;
  if (place.scope === 'system') yield* binaryWarnings(request.binary);
}
