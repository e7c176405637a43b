import type { ServiceMachine } from './service-machine.ts';
import { noService, type ServiceState, type ServiceStatus, type ServiceTarget } from './service-manager.ts';
import { Systemctl } from './systemctl.ts';
import { findUnit } from './systemd-unit.ts';
import { readFacts } from './unit-facts.ts';

const PROPERTIES = 'ActiveState,SubState,UnitFileState,MainPID,NRestarts,ActiveEnterTimestamp,StatusText,User';

const STATES: Readonly<Record<string, ServiceState>> = {
  active: 'running',
  reloading: 'running',
  activating: 'starting',
  deactivating: 'stopping',
  inactive: 'stopped',
  failed: 'failed',
};

/** State of a service of ours. Costs one `systemctl show` where it is installed, nothing where it is not. */
export async function systemdStatus(target: ServiceTarget, machine: ServiceMachine): Promise<ServiceStatus> {
  const { place, text } = findUnit(target, machine);
  if (text === undefined) return noService('not_installed');
  const facts = readFacts(text);
  const shown = await new Systemctl(machine, place.scope).show(place.name, PROPERTIES);
  const state = shown === undefined ? 'unknown' : stateOf(shown);
  const since = state === 'running' ? timestamp(shown?.['ActiveEnterTimestamp']) : null;
  const pid = Number(shown?.['MainPID'] ?? 0);
  return {
    installed: true,
    enabled: shown?.['UnitFileState'] === 'enabled',
    state,
    pid: pid > 0 ? pid : null,
    uptime_ms: since === null ? null : Math.max(0, machine.clock.now() - since),
    restarts: Number(shown?.['NRestarts'] ?? 0),
    status_text: shown?.['StatusText'] || null,
    hardened: facts?.profile === 'hardened',
    unit: place.path,
    scope: place.scope,
    user: shown?.['User'] || facts?.user || null,
    home: facts?.home ?? null,
  };
}

function stateOf({ ActiveState = '', SubState }: Record<string, string>): ServiceState {
  if (SubState === 'auto-restart' || SubState === 'auto-restart-queued') return 'restarting';
  return STATES[ActiveState] ?? 'unknown';
}

/** `Tue 2026-11-25 05:07:32 UTC`, as systemctl prints it where TZ is UTC; null for anything else. */
export function timestamp(text = ''): number | null {
  const [, date, time] = /^\w+ (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC$/.exec(text) ?? [];
  return date === undefined ? null : Date.parse(`${date}T${time}Z`);
}
