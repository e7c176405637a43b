import { createHmac, randomBytes } from 'node:crypto';
import { PalyraError } from '../kernel/errors.ts';
import { readPrivateFile, writeFileDurable } from '../kernel/files.ts';

const SECRET_BYTES = 32;
const FILE_BYTES = 256;

/** Keys of this room that outlive a restart, derived from one secret file of the daemon. */
export interface PairingKeys {
  /** Makes challenges. */
  readonly challenge: Buffer;
  /** Makes the salts of selectors that do not exist. */
  readonly fakeSalt: Buffer;
}

/** Reads or makes the secret. Errors: credential_unsafe, credential_damaged, disk_full, no_permission. */
export async function openPairingKeys(path: string): Promise<PairingKeys> {
  const kept = readPrivateFile(path, FILE_BYTES)?.trim();
  const secret = kept === undefined ? randomBytes(SECRET_BYTES) : Buffer.from(kept, 'hex');
  if (kept === undefined) await writeFileDurable(path, `${secret.toString('hex')}\n`);
  if (secret.length !== SECRET_BYTES) {
    throw new PalyraError('credential_damaged', `${path} is not a secret of ${SECRET_BYTES} bytes in hex`, {
      hint: `restore ${path} from a backup, or move it away: only handshakes under way are lost`,
    });
  }
  const derive = (use: string): Buffer => createHmac('sha256', secret).update(use).digest();
  return { challenge: derive('palyra-challenge/v1'), fakeSalt: derive('palyra-fake-salt/v1') };
}
