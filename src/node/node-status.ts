import { join } from 'node:path';
import { readPrivateFile } from '../kernel/files.ts';
import { homeIsLocked } from '../kernel/home-lock.ts';
import { roleHome } from '../kernel/paths.ts';
import { type NodeHostConfig, readHostConfig } from './host-config.ts';
import { CHAIN_FILE, IDENTITY_FOLDER } from './identity-files.ts';
import { type NodeStatusFile, readStatus } from './node-status-file.ts';

const PEM_BYTES = 64 * 1024;

export interface NodeStatus {
  readonly home: string;
  readonly config: NodeHostConfig | undefined;
  /** Of the host that runs now; undefined when none does. */
  readonly live: NodeStatusFile | undefined;
  readonly certificateExpiresAtUnixMs: number | null;
}

/** What this machine knows of its own pairing and host. Asks nobody, changes nothing. Errors: node_config_damaged. */
export async function nodeStatus(home: string): Promise<NodeStatus> {
  const folder = roleHome(home, 'node');
  const config = readHostConfig(folder);
  const live = homeIsLocked(folder) ? readStatus(folder) : undefined;
  return {
    home: folder,
    config,
    live,
    // Of a host that runs it is known, and the cryptography of the runtime need not be loaded.
    certificateExpiresAtUnixMs:
      live?.certificate_expires_at_unix_ms ?? (await expiry(join(folder, IDENTITY_FOLDER, CHAIN_FILE))),
  };
}

async function expiry(path: string): Promise<number | null> {
  const pem = readPrivateFile(path, PEM_BYTES);
  if (pem === undefined) return null;
  const { X509Certificate } = await import('node:crypto');
  try {
    return new X509Certificate(pem).validToDate.getTime();
  } catch {
    // A damaged certificate is told by whoever uses it.
    return null;
  }
}
