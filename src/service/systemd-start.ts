import { PalyraError } from '../kernel/errors.ts';
import { lastLines } from './journal.ts';
import type { ServiceMachine } from './service-machine.ts';
import { type Systemctl, systemctlFailure } from './systemctl.ts';
import type { UnitPlace } from './systemd-unit.ts';

const JOURNAL_LINES = 10;

// What systemd means when the program itself never ran (systemd.exec(5), process exit codes).
const EXIT_MEANINGS: Readonly<Record<string, string>> = {
  '203': 'the executable cannot be started: permissions, SELinux, or another kind of machine',
  '217': 'its user does not exist',
  '226': 'a folder of its sandbox does not exist',
};

/** A unit and who manages it. */
export interface UnitControl {
  readonly systemctl: Systemctl;
  readonly machine: ServiceMachine;
  readonly place: UnitPlace;
}

/** Starts a unit and waits until it is ready. Throws `service_failed`, its
 * details with the journal's last lines of this attempt. */
export async function startUnit({ systemctl, machine, place }: UnitControl, verb: 'start' | 'restart'): Promise<void> {
  const sinceUnixMs = machine.clock.now();
  const result = await systemctl.try(verb, place.name);
  if (result.code === 0) return;
  const refused = systemctlFailure(result, [verb, place.name], place.scope);
  if (refused.code === 'no_permission') throw refused;
  const shown = (await systemctl.show(place.name, 'Result,ExecMainStatus')) ?? {};
  const journal = await lastLines(machine, place, { sinceUnixMs, lines: JOURNAL_LINES });
  const status = shown['ExecMainStatus'] ?? '';
  const why = [shown['Result'] || refused.message, status, EXIT_MEANINGS[status]].filter(Boolean).join(', ');
  throw new PalyraError('service_failed', `${place.name} did not become ready (${why})`, {
    hint: `journalctl ${place.scope === 'user' ? '--user-unit' : '--unit'}=${place.name} shows more`,
    details: { result: shown['Result'] ?? null, exit_status: Number(status || 0), journal },
  });
}

/**
 * Ends what runs of a unit at once, as the first part of a stop or restart. The job comes first, so that the manager
 * does not take the end for a failure; it is the manager that kills, and only what belongs to the unit.
 */
export async function endUnit({ systemctl, place }: UnitControl, verb: 'stop' | 'restart'): Promise<void> {
  await systemctl.do(verb, '--no-block', place.name);
  // Fails when nothing runs any more.
  await systemctl.try('kill', '--signal=SIGKILL', place.name);
}
