import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PalyraError } from '../kernel/errors.ts';
import { homeIsLocked } from '../kernel/home-lock.ts';
import { roleHome } from '../kernel/paths.ts';
import { connectNode } from '../rpc/node-client.ts';
import { loadWireSchema } from '../rpc/schema.ts';
import { hostConfigPath, readHostConfig } from './host-config.ts';
import { IdentityStore } from './identity-store.ts';
import { daemonAddress } from './pairing/daemon-address.ts';

interface UnpairOptions {
  readonly home: string;
  /** Forget the pairing here and tell nobody: for images of machines, and daemons that are gone. */
  readonly local: boolean;
}

/**
 * Ends the pairing on both sides, or here alone. Errors: not_paired, node_already_running, and what keeps the daemon
 * from hearing of it: then nothing was changed here either.
 */
export async function unpairNode({ home, local }: UnpairOptions): Promise<void> {
  const nodeHome = roleHome(home, 'node');
  if (homeIsLocked(nodeHome)) {
    throw new PalyraError('node_already_running', 'the node host of this machine runs', {
      hint: 'stop it first: palyra node stop',
    });
  }
  if (!local) await tellDaemon(nodeHome);
  const store = new IdentityStore(nodeHome);
  if (local && !existsSync(hostConfigPath(nodeHome)) && !existsSync(store.folder)) throw notPaired();
  // First what makes this machine a paired one: a crash leaves a key that nobody trusts any more.
  rmSync(hostConfigPath(nodeHome), { force: true });
  rmSync(store.folder, { recursive: true, force: true });
  rmSync(join(nodeHome, 'ledger'), { recursive: true, force: true });
}

const notPaired = (): PalyraError => new PalyraError('not_paired', 'this machine is not paired with a daemon');

async function tellDaemon(nodeHome: string): Promise<void> {
  const config = readHostConfig(nodeHome);
  const identity = config === undefined ? undefined : new IdentityStore(nodeHome).load();
  if (config === undefined || identity === undefined) throw notPaired();
  const connection = connectNode(loadWireSchema(), {
    address: daemonAddress(config.grpc_url).text,
    ca: identity.caPem,
    identity: { chain: identity.chainPem, key: identity.keyPem },
  });
  try {
    await connection.leave({ reason: 'unpaired at the machine', device_id: config.device_id });
  } catch (cause) {
    // It trusts this machine no more already: that is what was asked for.
    if (cause instanceof PalyraError && ['device_revoked', 'device_removed'].includes(cause.code)) return;
    if (!(cause instanceof PalyraError)) throw cause;
    throw new PalyraError(cause.code, `the daemon did not hear of it, nothing was changed: ${cause.message}`, {
      hint: 'try again later, or forget it here alone with --local and remove the node at the daemon',
      cause,
    });
  } finally {
    connection.close();
  }
}
