import type { KeyObject } from 'node:crypto';
import type { Clock } from '../../kernel/clock.ts';
import { PalyraError } from '../../kernel/errors.ts';
import type { DeviceCertificate__Output } from '../../rpc/generated/palyra/node/v1/DeviceCertificate.ts';
import type { PairingRequestProof } from '../../rpc/generated/palyra/node/v1/PairingRequestProof.ts';
import type { PairingRequestStatus__Output } from '../../rpc/generated/palyra/node/v1/PairingRequestStatus.ts';
import { type ProvenCall, signProof } from '../../x509/proof.ts';
import type { PairingClient } from './pairing-client.ts';
import { isPassing, newBackoff, repeated, retryAfterMs } from './retry.ts';

const FETCH_ATTEMPTS = 20;
const NOTHING = Buffer.alloc(0);

export interface RequestHolder {
  readonly requestId: string;
  readonly key: KeyObject;
  /** SHA-256 of the daemon's CA. */
  readonly caSha256: Buffer;
  /** A fresh connection; who asked for it closes it. */
  readonly connect: () => PairingClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What the waiting machine can tell its user. */
export interface WaitingProgress {
  waiting(requestId: string): void;
  /** The way to the daemon broke; it is tried again. */
  disconnected(cause: PalyraError): void;
}

/**
 * Waits until the request was decided: the daemon pushes, and a broken connection is made again. Resolves with whether
 * it had been completed before. Errors: pairing_rejected, approval_expired, pairing_proof_invalid, unknown_ca; the
 * signal's reason.
 */
export async function awaitDecision(
  holder: RequestHolder,
  progress: WaitingProgress,
): Promise<'approved' | 'completed'> {
  const { clock, signal } = holder;
  const backoff = newBackoff();
  for (;;) {
    const client = holder.connect();
    try {
      const proof = await proofFor(holder, client, 'WatchPairingRequest');
      for await (const status of client.watch(proof, signal)) {
        backoff.reset();
        const decided = decisionOf(status);
        if (decided !== undefined) return decided;
        progress.waiting(holder.requestId);
      }
      // The daemon ends a watch after a while; it is opened anew.
      await clock.sleep(backoff.next(), signal);
    } catch (cause) {
      signal.throwIfAborted();
      if (!isPassing(cause)) throw cause;
      progress.disconnected(cause);
      await clock.sleep(backoff.next(retryAfterMs(cause)), signal);
    } finally {
      client.close();
    }
  }
}

/** The certificate of the approved request. Asking again gives the same one. Errors: as the daemon tells them. */
export function fetchCertificate(holder: RequestHolder): Promise<DeviceCertificate__Output> {
  const { clock, signal } = holder;
  const fetch = async (): Promise<DeviceCertificate__Output> => {
    const client = holder.connect();
    try {
      return await client.fetch(await proofFor(holder, client, 'FetchDeviceCertificate'));
    } finally {
      client.close();
    }
  };
  return repeated(fetch, { attempts: FETCH_ATTEMPTS, clock, signal });
}

async function proofFor(
  { requestId, key, caSha256 }: RequestHolder,
  client: PairingClient,
  call: ProvenCall,
): Promise<PairingRequestProof> {
  const { challenge = NOTHING } = await client.challenge(requestId);
  const signature = await signProof(key, { call, subject: requestId, challenge, caSha256, csrSha256: NOTHING });
  return { request_id: requestId, challenge, signature };
}

function decisionOf({ state, reason }: PairingRequestStatus__Output): 'approved' | 'completed' | undefined {
  const because = reason === undefined || reason === '' ? '' : `: ${reason}`;
  switch (state) {
    case 'PAIRING_STATE_APPROVED':
      return 'approved';
    case 'PAIRING_STATE_COMPLETED':
      return 'completed';
    case 'PAIRING_STATE_REJECTED':
      throw new PalyraError('pairing_rejected', `the daemon's approver refused this machine${because}`, {
        hint: 'ask who runs the daemon; then pair again with a new code',
      });
    case 'PAIRING_STATE_EXPIRED':
      throw new PalyraError('approval_expired', `the pairing request is over${because}`, {
        hint: 'ask for a new code (`palyra pairing code` on the daemon) and pair again',
      });
    case 'PAIRING_STATE_PENDING_APPROVAL':
    case 'PAIRING_STATE_UNSPECIFIED':
    case undefined:
    default:
      return undefined;
  }
}
