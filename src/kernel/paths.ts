import { homedir } from 'node:os';
import { join } from 'node:path';
import { PalyraError } from './errors.ts';

export type Role = 'daemon' | 'node' | 'operator';

interface Machine {
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  /** Root (or an elevated Windows service) uses the paths of the system. */
  readonly privileged: boolean;
}

const thisMachine = (): Machine => ({
  platform: process.platform,
  env: process.env,
  home: homedir(),
  privileged: process.geteuid?.() === 0,
});

/** Where everything of one user lies when nothing else is said; one folder for each platform and privilege. */
function defaultHome({ platform, env, home, privileged }: Machine): string {
  if (platform === 'win32') {
    return join(env['ProgramData'] ?? 'C:\\ProgramData', 'Palyra');
  }
  if (platform === 'darwin') {
    return privileged ? '/Library/Application Support/Palyra' : join(home, 'Library', 'Application Support', 'Palyra');
  }
  return privileged ? '/var/lib/palyra' : join(env['XDG_STATE_HOME'] ?? join(home, '.local', 'state'), 'palyra');
}

/**
 * The folder that holds `daemon`, `node` and `operator`: `--home`, else PALYRA_HOME, else the platform's place.
 * Throws `usage` for a relative path: it would move with the working folder.
 */
export function palyraHome(flag?: string, machine: Machine = thisMachine()): string {
  const chosen = flag ?? machine.env['PALYRA_HOME'];
  if (chosen === undefined || chosen === '') return defaultHome(machine);
  const absolute = machine.platform === 'win32' ? /^[A-Za-z]:[\\/]/.test(chosen) : chosen.startsWith('/');
  if (!absolute) {
    throw new PalyraError('usage', `the home folder must be an absolute path, not ${JSON.stringify(chosen)}`, {
      hint: 'give it as --home /absolute/path or PALYRA_HOME=/absolute/path',
    });
  }
  return chosen;
}

/** `<home>/<role>`: everything of one process of that role. */
export const roleHome = (home: string, role: Role): string => join(home, role);
