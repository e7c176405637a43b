import { join } from 'node:path';
import { PalyraError } from '../kernel/errors.ts';
import { readPrivateFile, writeFileDurable } from '../kernel/files.ts';
import { isUlid } from '../kernel/is-ulid.ts';

/**
 * The name of this daemon for good, made at its first start: the chain of its audit and its certificate carry it.
 * Errors: `credential_unsafe`, `config_invalid`, `disk_full`, `no_permission`.
 */
export async function openDaemonId(folder: string, newId: () => string): Promise<string> {
  const path = join(folder, 'daemon-id');
  const text = readPrivateFile(path, 64)?.trim();
  if (text !== undefined && text !== '') {
    if (isUlid(text)) return text;
    throw new PalyraError('config_invalid', `${path} holds no id of a daemon`, {
      hint: `restore ${path} from a backup, or move it away: the daemon then goes on under a new id`,
    });
  }
  const made = newId();
  await writeFileDurable(path, `${made}\n`);
  return made;
}
