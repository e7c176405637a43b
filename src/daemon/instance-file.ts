// What a running daemon tells about itself to the commands of its user.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { readPrivateFile, writeFileDurable } from '../kernel/files.ts';
import { roleHome } from '../kernel/paths.ts';

const FILE_BYTES = 64 * 1024;

const instanceSchema = z.object({
  pid: z.int().positive(),
  version: z.string(),
  daemon_id: z.string(),
  started_at_unix_ms: z.int(),
  node_address: z.string(),
  operator_address: z.string().nullable(),
  operator_socket: z.string().nullable(),
});

export type DaemonInstance = z.output<typeof instanceSchema>;

const instancePath = (home: string): string => join(roleHome(home, 'daemon'), 'instance.json');

export const writeInstance = (home: string, instance: DaemonInstance): Promise<void> =>
  writeFileDurable(instancePath(home), `${JSON.stringify(instance, null, 2)}\n`);

export const removeInstance = (home: string): void => rmSync(instancePath(home), { force: true });

/** Of the daemon that ran last; undefined when it said nothing, or nothing that this version understands. */
export function readInstance(home: string): DaemonInstance | undefined {
  const text = readPrivateFile(instancePath(home), FILE_BYTES);
  if (text === undefined) return undefined;
  try {
    return instanceSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
