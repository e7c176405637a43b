import { X509Certificate } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { PalyraError } from '../../kernel/errors.ts';
import type { DeviceCertificate__Output } from '../../rpc/generated/palyra/node/v1/DeviceCertificate.ts';
import type { WireSchema } from '../../rpc/schema.ts';
import { sha256 } from '../../x509/key-pair.ts';
import { signProof } from '../../x509/proof.ts';
import { readHostConfig } from '../host-config.ts';
import { type DeviceIdentity, IdentityStore } from '../identity-store.ts';
import { awaitDecision, fetchCertificate, type WaitingProgress } from './await-decision.ts';
import { checkCertificate } from './check-certificate.ts';
import { daemonAddress } from './daemon-address.ts';
import { connectPairing } from './pairing-client.ts';

export interface RecoveryOptions {
  /** The node's folder, `<home>/node`. */
  readonly nodeHome: string;
  readonly schema: WireSchema;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly progress: WaitingProgress;
}

/**
 * A new certificate for a paired machine whose old one ran out, by its key: at once within the grace, after that when
 * an approver has decided, for which this waits. Errors: not_paired, device_revoked, device_suspended, device_removed,
 * pairing_proof_invalid, pairing_rejected, approval_expired, too_many_requests, daemon_unreachable, unknown_ca.
 */
export async function recoverIdentity(options: RecoveryOptions): Promise<DeviceIdentity> {
  const { nodeHome, schema, clock, signal, progress } = options;
  const config = readHostConfig(nodeHome);
  const store = new IdentityStore(nodeHome);
  const identity = store.load();
  if (config === undefined || identity === undefined) {
    throw new PalyraError('not_paired', 'this machine is not paired with a daemon', {
      hint: 'palyra node pair <pin>',
    });
  }
  const { key, caPem } = identity;
  const ca = new X509Certificate(caPem);
  const caSha256 = sha256(ca.raw);
  const connect = () => connectPairing(schema, daemonAddress(config.grpc_url).text, caPem);
  const { writeCsr } = await import('../../x509/csr.ts');
  const csrDer = await writeCsr(key);

  const ask = async () => {
    const client = connect();
    try {
      const { challenge = Buffer.alloc(0) } = await client.challenge(config.device_id);
      const call = 'RecoverDeviceCertificate';
      const proof = { call, subject: config.device_id, challenge, caSha256, csrSha256: sha256(csrDer) } as const;
      const signature = await signProof(key, proof);
      return await client.recover({ device_id: config.device_id, csr_der: csrDer, challenge, signature });
    } finally {
      client.close();
    }
  };

  const answer = await ask();
  let certificate: DeviceCertificate__Output | undefined = answer.certificate ?? undefined;
  if (certificate === undefined) {
    const holder = { requestId: answer.request_id ?? '', key, caSha256, connect, clock, signal };
    await awaitDecision(holder, progress);
    certificate = await fetchCertificate(holder);
  }
  const chain = certificate.certificate_chain_der ?? [];
  const bundle = certificate.ca_bundle_der ?? [];
  checkCertificate(chain, bundle, { key, deviceId: config.device_id, ca });
  await store.saveCertificate(chain, bundle);
  const fresh = store.load();
  if (fresh === undefined) throw new Error('what was just written is gone');
  return fresh;
}
