import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { PalyraError } from '../../kernel/errors.ts';
import { ensurePrivateDir, fsyncDir, readPrivateFile, writeFileDurable } from '../../kernel/files.ts';
import { isUlid } from '../../kernel/is-ulid.ts';

const FILE_BYTES = 64 * 1024;
const ulid = z.string().refine(isUlid, 'is not an id (ULID)');

const schema = z.object({
  schema_version: z.literal(1),
  /** `host:port` of the daemon. */
  daemon_address: z.string().min(1),
  /** The CA that the key exchange confirmed. */
  ca_pem: z.string().min(1),
  name: z.string().min(1),
  short_string: z.string(),
  session_id: ulid,
  confirm_p_base64: z.string(),
  sas_nonce_base64: z.string(),
  device_hello_base64: z.string(),
  started_at_unix_ms: z.int(),
  /** Null until the daemon told the request. */
  request_id: ulid.nullable(),
  device_id: ulid.nullable(),
});

/** A pairing under way, from the proof of the code to the first stream. The code itself is never in it. */
export type PairingFile = z.infer<typeof schema>;

const pathOf = (nodeHome: string): string => join(nodeHome, 'pairing.json');

/** Undefined: no pairing is under way. Errors: node_config_damaged, credential_unsafe. */
export function readPairingFile(nodeHome: string): PairingFile | undefined {
  const path = pathOf(nodeHome);
  const text = readPrivateFile(path, FILE_BYTES);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new PalyraError('node_config_damaged', `${path} is damaged`, {
      hint: `take it away and pair again: rm ${path}; palyra node pair <pin>`,
      cause,
    });
  }
}

export async function writePairingFile(nodeHome: string, file: PairingFile): Promise<void> {
  ensurePrivateDir(nodeHome);
  await writeFileDurable(pathOf(nodeHome), `${JSON.stringify(file, null, 2)}\n`);
}

export function removePairingFile(nodeHome: string): void {
  rmSync(pathOf(nodeHome), { force: true });
  fsyncDir(nodeHome);
}
