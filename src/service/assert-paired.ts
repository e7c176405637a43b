import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PalyraError } from '../kernel/errors.ts';
import { roleHome } from '../kernel/paths.ts';

/** Refuses to register a node that no daemon knows: its service would only wait. Throws `not_paired`. */
export function assertPaired(home: string): void {
  if (existsSync(join(roleHome(home, 'node'), 'node-host.json'))) return;
  throw new PalyraError(
    'not_paired',
    `this machine is not paired with a daemon (nothing in ${roleHome(home, 'node')})`,
    {
      hint: 'palyra node pair PIN --daemon HOST, with the PIN that "palyra pairing code" prints at the daemon',
    },
  );
}
