import { PalyraError } from '../../kernel/errors.ts';
import { joinPath, showPath } from './path-text.ts';

const SYSTEM_FOLDERS = new Set(['proc', 'sys', 'dev']);
const PASSWORD_FILES = /^(?:g?shadow|opasswd|master\.passwd|spwd\.db)(?:[-.~].*)?$/;
const PRIVATE_KEYS = /^(?:id_.*|.*\.pem)$/;

/**
 * Throws path_refused for what no root opens (security.md 7.1): kernel file systems, SSH and password files, and
 * private keys unless the owner says otherwise. Upper and lower case count as one, for file systems that think so.
 */
export function refuseForbidden(components: readonly Buffer[], allowSecrets: boolean): void {
  const names = components.map((component) => component.toString('latin1').toLowerCase());
  const last = names.at(-1) ?? '';
  const folder = names.at(-2) ?? '';
  if (SYSTEM_FOLDERS.has(names[0] ?? '')) throw refused(components, 'belongs to the kernel, not to a disk');
  if (names.includes('.ssh')) throw refused(components, 'is in a folder of SSH keys');
  if ((folder === 'etc' || folder === 'security') && PASSWORD_FILES.test(last)) {
    throw refused(components, 'is a password file');
  }
  if (!allowSecrets && PRIVATE_KEYS.test(last)) {
    throw refused(components, 'has the name of a private key', 'its owner sets allow_secrets in node-policy.json');
  }
}

const refused = (components: readonly Buffer[], why: string, hint?: string): PalyraError =>
  new PalyraError('path_refused', `${showPath(joinPath(components))} ${why}`, { hint });
