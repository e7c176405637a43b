// Where the daemon of a home and its operators meet.
import { createHash } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { roleHome } from '../kernel/paths.ts';

/** Loopback TCP, for what cannot use the socket. */
export const OPERATOR_TCP = { host: '127.0.0.1', port: 7480 } as const;

/** Holds the token of the first admin; the same user's CLI finds it there. */
export const adminTokenPath = (home: string): string => join(roleHome(home, 'daemon'), 'admin-token');

/** The socket of the operator API: a file in the daemon's private folder; on Windows a named pipe of this home. */
export function operatorSocketPath(home: string, platform: NodeJS.Platform = process.platform): string {
  if (platform !== 'win32') return join(roleHome(home, 'daemon'), 'operator.sock');
  return `\\\\.\\pipe\\palyra-operator-${createHash('sha256').update(home.toLowerCase()).digest('hex').slice(0, 32)}`;
}

// sun_path with its final NUL: 108 bytes on Linux, 104 on macOS and the BSDs.
const longestPath = (platform: NodeJS.Platform): number => (platform === 'linux' ? 107 : 103);

/** A path that the system takes for a socket, and what to call when it is no longer used. */
export interface SocketAddress {
  readonly path: string;
  readonly release: () => void;
}

/**
 * A socket's path in a form short enough for the system: a long one goes through a descriptor of its folder, which
 * only Linux can. Undefined where it cannot be had. The folder must exist.
 */
export function socketAddress(path: string, platform: NodeJS.Platform = process.platform): SocketAddress | undefined {
  if (platform === 'win32' || Buffer.byteLength(path) <= longestPath(platform)) {
    return { path, release: () => undefined };
  }
  if (platform !== 'linux') return undefined;
  const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  return { path: `/proc/self/fd/${folder}/${basename(path)}`, release: () => closeSync(folder) };
}
