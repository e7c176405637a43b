import { chmodSync, existsSync, lstatSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { PalyraError, systemCode } from '../kernel/errors.ts';
import { ensurePrivateDir } from '../kernel/files.ts';
import { operatorSocketPath, type SocketAddress, socketAddress } from '../wire/operator-place.ts';
import { listen } from './listen.ts';

/** Whether a process answers on a socket; ENOENT and ECONNREFUSED say that none does. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (cause) => {
      const code = systemCode(cause);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false);
      else reject(cause);
    });
  });
}

/** Removes what a killed daemon left. Errors: `daemon_already_running`, `config_invalid` for anything but a socket. */
async function removeStale(path: string, { path: shortPath }: SocketAddress): Promise<void> {
  if (!existsSync(path)) return;
  if (!lstatSync(path).isSocket()) {
    throw new PalyraError('config_invalid', `${path} is not a socket`, { hint: `move ${path} away` });
  }
  if (await answers(shortPath)) {
    throw new PalyraError('daemon_already_running', `another daemon answers on ${path}`, {
      hint: 'stop it first: palyra daemon stop',
    });
  }
  unlinkSync(path);
}

export interface OperatorSocket {
  /** As operators name it. */
  readonly path: string;
  readonly release: () => void;
}

/**
 * Opens the operator socket of a home, for its owner alone. Undefined where its path is too long for the system;
 * operators then come over loopback. Errors: `daemon_already_running`, `config_invalid`.
 */
export async function listenOnSocket(server: Server, home: string): Promise<OperatorSocket | undefined> {
  const path = operatorSocketPath(home);
  if (process.platform === 'win32') {
    await listen(server, { path });
    return { path, release: () => undefined };
  }
  ensurePrivateDir(dirname(path));
  const address = socketAddress(path);
  if (address === undefined) return undefined;
  try {
    await removeStale(path, address);
    await listen(server, { path: address.path });
    chmodSync(path, 0o600);
  } catch (cause) {
    address.release();
    throw cause;
  }
  return { path, release: address.release };
}
