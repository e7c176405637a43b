import { existsSync, statSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { isSea } from 'node:sea';
import { PalyraError } from '../kernel/errors.ts';

export interface BinarySource {
  readonly packed: boolean;
  readonly execPath: string;
}

const thisProgram = (): BinarySource => ({ packed: isSea(), execPath: process.execPath });

/** The executable that a service starts: this one, or the one named. Throws `usage` when neither can be. */
export function serviceBinary(named: string | undefined, { packed, execPath }: BinarySource = thisProgram()): string {
  if (named === undefined && !packed) {
    throw new PalyraError('usage', 'palyra runs from its sources here, so there is no executable to register', {
      hint: 'npm run build, then use dist/palyra; or name one: --binary /usr/local/bin/palyra',
    });
  }
  const path = named ?? execPath;
  if (!isAbsolute(path)) {
    throw new PalyraError('usage', `the executable must be given by its absolute path, not ${JSON.stringify(path)}`, {
      hint: `--binary "$(realpath ${path})"`,
    });
  }
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true || (stat.mode & 0o111) === 0) {
    throw new PalyraError('usage', `${path} is not an executable file`, { hint: 'name it by --binary PATH' });
  }
  return path;
}

/** What is worth a warning about an executable that the machine's own manager starts. */
export function binaryWarnings(binary: string, selinux = existsSync('/sys/fs/selinux/enforce')): string[] {
  const warnings: string[] = [];
  if (selinux && /^\/(home|root)\//.test(binary)) {
    warnings.push(`SELinux does not let services start programs below home folders: move ${binary} to /usr/local/bin`);
  }
  const open = othersMayChange(binary);
  if (open !== undefined) {
    warnings.push(`${open} can be changed by users other than root, and so can what the service runs`);
  }
  return warnings;
}

/** The file, or the first folder above it, that somebody else than root can change; undefined when there is none. */
export function othersMayChange(path: string): string | undefined {
  const { uid, mode } = statSync(path);
  const sticky = (mode & 0o1000) !== 0;
  if (uid !== 0 || ((mode & 0o022) !== 0 && !sticky)) return path;
  return path === '/' ? undefined : othersMayChange(dirname(path));
}
