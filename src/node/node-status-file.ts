// What a running node host tells about itself to the commands of its machine.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { readPrivateFile, writeFileDurable } from '../kernel/files.ts';

const FILE_BYTES = 64 * 1024;

const statusSchema = z.object({
  pid: z.int().positive(),
  started_at_unix_ms: z.int(),
  connected: z.boolean(),
  connected_since_unix_ms: z.int().nullable(),
  daemon_address: z.string(),
  last_error: z.string().nullable(),
  running: z.int(),
  queued: z.int(),
  degraded_reason: z.string().nullable(),
  certificate_expires_at_unix_ms: z.int(),
});

export type NodeStatusFile = z.output<typeof statusSchema>;

const statusPath = (nodeHome: string): string => join(nodeHome, 'status.json');

export const writeStatus = (nodeHome: string, status: NodeStatusFile): Promise<void> =>
  writeFileDurable(statusPath(nodeHome), `${JSON.stringify(status, null, 2)}\n`);

export const removeStatus = (nodeHome: string): void => rmSync(statusPath(nodeHome), { force: true });

/** Of the host that ran last; undefined when it said nothing that this version understands. */
export function readStatus(nodeHome: string): NodeStatusFile | undefined {
  const text = readPrivateFile(statusPath(nodeHome), FILE_BYTES);
  if (text === undefined) return undefined;
  try {
    return statusSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
