import { request } from 'node:http';
import { homeIsLocked } from '../kernel/home-lock.ts';
import { roleHome } from '../kernel/paths.ts';
import { socketAddress } from '../wire/operator-place.ts';
import { type DaemonInstance, readInstance } from './instance-file.ts';

const ASK_MS = 2_000;

export interface DaemonStatus {
  readonly running: boolean;
  /** Whether it takes work; null when it could not be asked. */
  readonly ready: boolean | null;
  readonly home: string;
  readonly instance: DaemonInstance | null;
}

/** Whether a daemon runs on a home, and what it says of itself. Changes nothing. */
export async function daemonStatus(home: string): Promise<DaemonStatus> {
  const folder = roleHome(home, 'daemon');
  if (!homeIsLocked(folder)) return { running: false, ready: null, home: folder, instance: null };
  const instance = readInstance(home) ?? null;
  const ready = instance === null ? false : await askReady(instance);
  return { running: true, ready, home: folder, instance };
}

function askReady({ operator_socket: socket, operator_address: address }: DaemonInstance): Promise<boolean | null> {
  const short = socket === null ? undefined : socketAddress(socket);
  const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(address ?? '') ?? [];
  const where = short === undefined ? { host, port } : { socketPath: short.path, headers: { host: 'localhost' } };
  const { promise, resolve } = Promise.withResolvers<boolean | null>();
  const call = request({ ...where, path: '/readyz', timeout: ASK_MS }, (response) => {
    response.resume();
    resolve(response.statusCode === 200);
  });
  call.on('error', () => resolve(null));
  call.on('timeout', () => call.destroy());
  call.end();
  return promise.finally(() => short?.release());
}
