import { readdirSync } from 'node:fs';
import { PalyraError, systemCode } from '../kernel/errors.ts';
import type { ServiceRole } from './service-manager.ts';

// One of these is in every folder that a role has used.
const SIGNS: Readonly<Record<ServiceRole, readonly string[]>> = {
  daemon: ['daemon.json', 'admin-token', 'ca', 'identity'],
  node: ['node-host.json', 'node-policy.json', 'capabilities.d', 'identity'],
};

/** Whether a folder is a role's own (or has nothing in it): only then is it given away, or removed. */
export function isOwnFolder(folder: string, role: ServiceRole): boolean {
  try {
    const names = readdirSync(folder);
    return names.length === 0 || SIGNS[role].some((sign) => names.includes(sign));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return true;
    throw error;
  }
}

/** Throws `conflict` for a folder with somebody else's files. */
export function assertOwnFolder(folder: string, role: ServiceRole): void {
  if (isOwnFolder(folder, role)) return;
  throw new PalyraError('conflict', `${folder} holds files that are not of a ${role}`, {
    hint: 'choose another home with --home',
  });
}
