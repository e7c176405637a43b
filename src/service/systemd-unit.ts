import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../kernel/errors.ts';
import type { ServiceMachine } from './service-machine.ts';
import type { ServiceRole, ServiceScope, ServiceTarget } from './service-manager.ts';

/** A unit of ours: its name, and where its file lies. */
export interface UnitPlace {
  readonly name: string;
  readonly path: string;
  readonly scope: ServiceScope;
}

export function unitPlace(role: ServiceRole, scope: ServiceScope, { userHome }: ServiceMachine): UnitPlace {
  const name = `palyra-${role}.service`;
  const folder = scope === 'system' ? '/etc/systemd/system' : join(userHome, '.config', 'systemd', 'user');
  return { name, path: join(folder, name), scope };
}

/** Root serves the machine, everybody else themselves. */
export const defaultScope = ({ uid }: ServiceMachine): ServiceScope => (uid === 0 ? 'system' : 'user');

/** Text of a unit file; undefined when there is none. */
export function readUnit(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The unit that a target means: the one of its scope, else the installed one, first in the asker's own scope. */
export function findUnit({ role, scope }: ServiceTarget, machine: ServiceMachine): { place: UnitPlace; text?: string } {
  const own = defaultScope(machine);
  const scopes: ServiceScope[] = scope !== undefined ? [scope] : own === 'system' ? ['system'] : ['user', 'system'];
  for (const candidate of scopes) {
    const place = unitPlace(role, candidate, machine);
    const text = readUnit(place.path);
    if (text !== undefined) return { place, text };
  }
  return { place: unitPlace(role, scope ?? own, machine) };
}
