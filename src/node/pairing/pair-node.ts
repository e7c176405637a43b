import { randomBytes, X509Certificate } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { PalyraError } from '../../kernel/errors.ts';
import type { PairingCode } from '../../pake/code.ts';
import type { WireSchema } from '../../rpc/schema.ts';
import { sha256 } from '../../x509/key-pair.ts';
import { hostConfigPath, type NodeHostConfig, readHostConfig, writeHostConfig } from '../host-config.ts';
import { type DeviceIdentity, IdentityStore } from '../identity-store.ts';
import { awaitDecision, fetchCertificate, type RequestHolder, type WaitingProgress } from './await-decision.ts';
import { checkCertificate } from './check-certificate.ts';
import { type DaemonAddress, daemonAddress } from './daemon-address.ts';
import type { Registered } from './first-stream.ts';
import type { MachineFacts } from './machine-facts.ts';
import { connectPairing } from './pairing-client.ts';
import { type PairingFile, readPairingFile, removePairingFile, writePairingFile } from './pairing-file.ts';
import { proveCode } from './prove-code.ts';
import { provisionalCa } from './provisional-ca.ts';
import { repeated } from './retry.ts';

const HELLO_RANDOM_BYTES = 16;
const COMPLETE_ATTEMPTS = 20;

/** What the user of the machine is told on the way. */
export interface PairingProgress extends WaitingProgress {
  connecting(address: string): void;
  /** The daemon proved itself; both ends show this string. */
  proven(shortString: string): void;
  approved(): void;
}

/** Opens the first stream under the new certificate and closes it; the pairing is complete only after it. */
type FirstStream = (first: {
  readonly identity: DeviceIdentity;
  /** `host:port`. */
  readonly address: string;
}) => Promise<Registered>;

export interface PairingSetup {
  /** The node's folder, `<home>/node`. */
  readonly nodeHome: string;
  readonly schema: WireSchema;
  readonly clock: Clock;
  /** Its reason is what the pairing fails with. */
  readonly signal: AbortSignal;
  readonly progress: PairingProgress;
  readonly firstStream: FirstStream;
}

export interface PairingOrder {
  readonly code: PairingCode;
  readonly address: DaemonAddress;
  readonly facts: MachineFacts;
  /** What the machine asks to be granted. */
  readonly capabilities: readonly string[];
  /** Called when the daemon has proven itself, before it is told of this machine. */
  readonly proven: () => Promise<void>;
}

export interface PairedNode {
  readonly deviceId: string;
  readonly name: string;
  readonly requestId: string;
}

/**
 * Pairs this machine. The daemon's CA is believed only after the key exchange confirmed it, and the machine says who it
 * is only after that. Errors: already_paired, daemon_unreachable, not_a_palyra_daemon, clock_skew,
 * pairing_code_invalid, unknown_ca, pairing_rejected, approval_expired, daemon_not_proven, too_many_requests; the
 * signal's reason, after which `resumePairing` goes on.
 */
export async function pairNode(setup: PairingSetup, order: PairingOrder): Promise<PairedNode> {
  const { nodeHome, schema, clock, signal, progress } = setup;
  assertNotPaired(nodeHome);
  const { code, address, facts, capabilities } = order;
  const key = await new IdentityStore(nodeHome).deviceKey();
  progress.connecting(address.text);
  const ca = await provisionalCa(address, clock, signal);
  const caPem = ca.toString();
  const hello = schema.deviceHello.serialize({
    random: randomBytes(HELLO_RANDOM_BYTES),
    ...facts,
    capabilities: [...capabilities],
  });
  const client = connectPairing(schema, address.text, caPem);
  let file: PairingFile;
  try {
    const proven = await proveCode({ client, code, key, ca, hello, clock, signal });
    await order.proven();
    file = {
      schema_version: 1,
      daemon_address: address.text,
      ca_pem: caPem,
      name: facts.name,
      short_string: proven.shortString,
      session_id: proven.sessionId,
      confirm_p_base64: proven.confirmP.toString('base64'),
      sas_nonce_base64: proven.sasNonce.toString('base64'),
      device_hello_base64: hello.toString('base64'),
      started_at_unix_ms: clock.now(),
      request_id: null,
      device_id: null,
    };
    await writePairingFile(nodeHome, file);
  } finally {
    client.close();
  }
  return goOn(setup, file);
}

/** Goes on with the pairing that broke off, without the code. Errors: not_paired (there is none), as `pairNode`. */
export async function resumePairing(setup: PairingSetup): Promise<PairedNode> {
  const file = readPairingFile(setup.nodeHome);
  if (file !== undefined) return goOn(setup, file);
  assertNotPaired(setup.nodeHome);
  throw new PalyraError('not_paired', 'no pairing of this machine is under way', {
    hint: 'begin one: palyra node pair <pin>',
  });
}

async function goOn(setup: PairingSetup, file: PairingFile): Promise<PairedNode> {
  const { nodeHome, schema, clock, signal, progress, firstStream } = setup;
  progress.proven(file.short_string);
  const ca = new X509Certificate(file.ca_pem);
  const connect = () => connectPairing(schema, file.daemon_address, file.ca_pem);
  try {
    const { requestId, deviceId } = await announce(setup, file, connect);
    const store = new IdentityStore(nodeHome);
    const before = readHostConfig(nodeHome);
    if (before?.pairing_request_id !== requestId) {
      const key = await store.deviceKey();
      const holder: RequestHolder = { requestId, key, caSha256: sha256(ca.raw), connect, clock, signal };
      await awaitDecision(holder, progress);
      progress.approved();
      const fetched = await fetchCertificate(holder);
      const chain = fetched.certificate_chain_der ?? [];
      const bundle = fetched.ca_bundle_der ?? [];
      checkCertificate(chain, bundle, { key, deviceId, ca });
      await store.saveCertificate(chain, bundle);
      await writeHostConfig(nodeHome, configOf(file, { requestId, deviceId }, store.folder, clock.now()));
    }
    const config = readHostConfig(nodeHome);
    const identity = store.load();
    if (config === undefined || identity === undefined) throw new Error('what was just written is gone');
    const { daemonId, name } = await firstStream({ identity, address: file.daemon_address });
    await writeHostConfig(nodeHome, { ...config, name, daemon_id: daemonId });
    removePairingFile(nodeHome);
    return { deviceId, name, requestId };
  } catch (cause) {
    if (isOver(cause)) removePairingFile(nodeHome);
    throw cause;
  }
}

/** Confirms the key to the daemon, as often as it takes: it makes one request of it. */
async function announce(
  { nodeHome, clock, signal }: PairingSetup,
  file: PairingFile,
  connect: () => ReturnType<typeof connectPairing>,
): Promise<{ readonly requestId: string; readonly deviceId: string }> {
  if (file.request_id !== null && file.device_id !== null) {
    return { requestId: file.request_id, deviceId: file.device_id };
  }
  const complete = async () => {
    const client = connect();
    try {
      return await client.complete({
        session_id: file.session_id,
        confirm_p: Buffer.from(file.confirm_p_base64, 'base64'),
        sas_nonce: Buffer.from(file.sas_nonce_base64, 'base64'),
        device_hello: Buffer.from(file.device_hello_base64, 'base64'),
      });
    } finally {
      client.close();
    }
  };
  const { request_id: requestId, device_id: deviceId } = await repeated(complete, {
    attempts: COMPLETE_ATTEMPTS,
    clock,
    signal,
  });
  if (requestId === undefined || deviceId === undefined) {
    throw new PalyraError('not_a_palyra_daemon', 'the daemon confirmed no pairing request');
  }
  await writePairingFile(nodeHome, { ...file, request_id: requestId, device_id: deviceId });
  return { requestId, deviceId };
}

/** Failures after which there is nothing left to resume. */
const isOver = (cause: unknown): boolean =>
  cause instanceof PalyraError &&
  [
    'pairing_rejected',
    'approval_expired',
    'pairing_session_not_found',
    'pairing_code_invalid',
    'pairing_request_closed',
    'pairing_proof_invalid',
    'device_revoked',
    'device_suspended',
    'device_removed',
  ].includes(cause.code);

const configOf = (
  file: PairingFile,
  { requestId, deviceId }: { readonly requestId: string; readonly deviceId: string },
  identityFolder: string,
  now: number,
): NodeHostConfig => ({
  schema_version: 1,
  device_id: deviceId,
  name: file.name,
  grpc_url: `https://${daemonAddress(file.daemon_address).text}`,
  identity_store_dir: identityFolder,
  paired_at_unix_ms: now,
  pairing_request_id: requestId,
  daemon_id: null,
});

/** Errors: already_paired, with the way on. */
export function assertNotPaired(nodeHome: string): void {
  const config = readHostConfig(nodeHome);
  if (config === undefined) return;
  const unfinished = readPairingFile(nodeHome) !== undefined;
  throw new PalyraError('already_paired', `this machine is paired as ${config.name} with ${config.grpc_url}`, {
    hint: unfinished
      ? 'its first connection is missing: palyra node pair --resume'
      : `palyra node status; to pair it anew: palyra node unpair (${hostConfigPath(nodeHome)} says as whom)`,
    details: { device_id: config.device_id },
  });
}
