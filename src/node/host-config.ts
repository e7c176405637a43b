import { join } from 'node:path';
import * as z from 'zod';
import { PalyraError } from '../kernel/errors.ts';
import { assertPrivate, ensurePrivateDir, readPrivateFile } from '../kernel/files.ts';
import { isUlid } from '../kernel/is-ulid.ts';

const NAME = 'node-host';
const FILE_BYTES = 64 * 1024;
const SCHEMA_VERSION = 1;

const schema = z.object({
  schema_version: z.literal(SCHEMA_VERSION),
  device_id: z.string().refine(isUlid, 'is not an id (ULID)'),
  name: z.string().min(1).max(256),
  /** `https://host:port` of the daemon's node port. */
  grpc_url: z.string().regex(/^https:\/\/\S+:\d+$/, 'is not https://HOST:PORT'),
  /** Folder of key, certificate and CA bundle. */
  identity_store_dir: z.string().min(1),
  paired_at_unix_ms: z.int().min(0),
  pairing_request_id: z.string().refine(isUlid, 'is not an id (ULID)'),
  /** Null until the daemon told it. */
  daemon_id: z.string().nullable(),
});

/** Who this machine is and where its daemon is: node-host.json. It exists exactly while the machine is paired. */
export type NodeHostConfig = z.infer<typeof schema>;

export const hostConfigPath = (nodeHome: string): string => join(nodeHome, `${NAME}.json`);

/**
 * Reads node-host.json of a node's folder; undefined: not paired. A damaged file is told and left as it is.
 * Errors: node_config_damaged, credential_unsafe.
 */
export function readHostConfig(nodeHome: string): NodeHostConfig | undefined {
  const path = hostConfigPath(nodeHome);
  const text = readPrivateFile(path, FILE_BYTES);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged(path, 'it is not JSON', cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw damaged(path, `${issue?.path.map(String).join('.') || 'it'} ${issue?.message ?? ''}`);
}

/** Writes node-host.json in one step, 0600. Errors: node_config_damaged when what is there is not ours to overwrite. */
export async function writeHostConfig(nodeHome: string, config: NodeHostConfig): Promise<void> {
  ensurePrivateDir(nodeHome);
  readHostConfig(nodeHome);
  const { default: Conf } = await import('conf');
  const file = new Conf<NodeHostConfig>({
    cwd: nodeHome,
    configName: NAME,
    configFileMode: 0o600,
    clearInvalidConfig: false,
    accessPropertiesByDotNotation: false,
    serialize: (value) => `${JSON.stringify(value, null, 2)}\n`,
  });
  file.store = schema.parse(config);
  assertPrivate(file.path);
}

const damaged = (path: string, why: string, cause?: unknown): PalyraError =>
  new PalyraError('node_config_damaged', `${path} is damaged: ${why}`, {
    hint: `restore it, or move it away and pair again: mv ${path} ${path}.old; palyra node pair <pin>`,
    cause,
  });
