// PairingService: from messages to the pairing room. Its callers have no certificate; whatever they send is checked.
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { DeviceId } from '../kernel/ids.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Logger } from '../kernel/log.ts';
import type {
  BeginOrder,
  BegunSession,
  Caller,
  CompletedPairing,
  CompleteOrder,
  DeviceClaims,
  ExchangeAnswer,
  FetchedCertificate,
  RecoveryOrder,
  RecoveryOutcome,
  RequestProof,
  RequestStatus,
} from '../pairing/types.ts';
import { KDF } from '../pake/stretch.ts';
import type { PairingState } from '../store/schema.ts';
import type { BeginPairingSessionResponse } from './generated/palyra/node/v1/BeginPairingSessionResponse.ts';
import type { CompletePairingSessionResponse } from './generated/palyra/node/v1/CompletePairingSessionResponse.ts';
import type { DeviceCertificate } from './generated/palyra/node/v1/DeviceCertificate.ts';
import type { ExchangePairingSessionResponse } from './generated/palyra/node/v1/ExchangePairingSessionResponse.ts';
import type { GetChallengeResponse } from './generated/palyra/node/v1/GetChallengeResponse.ts';
import type { PairingRequestProof__Output } from './generated/palyra/node/v1/PairingRequestProof.ts';
import type { PairingRequestStatus } from './generated/palyra/node/v1/PairingRequestStatus.ts';
import type { RecoverDeviceCertificateResponse } from './generated/palyra/node/v1/RecoverDeviceCertificateResponse.ts';
import {
  beginInput,
  challengeInput,
  completeInput,
  deviceHelloInput,
  exchangeInput,
  parseMessage,
  proofInput,
  recoverInput,
} from './pairing-input.ts';
import type { WireSchema } from './schema.ts';
import { addressOfPeer, sourceOf } from './source.ts';
import { statusOf } from './status.ts';

/** The pairing room as machines use it. */
interface PairingRoom {
  readonly caChainDer: readonly Buffer[];
  begin(order: BeginOrder, caller: Caller): Promise<BegunSession>;
  exchange(sessionId: string, shareP: Buffer, caller: Caller): Promise<ExchangeAnswer>;
  complete(order: CompleteOrder, caller: Caller): Promise<CompletedPairing>;
  challenge(subject: string): Buffer;
  status(proof: RequestProof): Promise<RequestStatus>;
  watch(
    proof: RequestProof,
    told: (status: RequestStatus) => void,
    failed: (cause: unknown) => void,
  ): Promise<() => void>;
  fetch(proof: RequestProof): Promise<FetchedCertificate>;
  recover(order: RecoveryOrder, caller: Caller): Promise<RecoveryOutcome>;
}

export interface PairingServicePorts {
  readonly pairing: PairingRoom;
  readonly schema: Pick<WireSchema, 'deviceHello'>;
  readonly clock: Clock;
  readonly log: Logger;
}

const VERSION = 1;
const STATE = {
  pending_approval: 'PAIRING_STATE_PENDING_APPROVAL',
  approved: 'PAIRING_STATE_APPROVED',
  completed: 'PAIRING_STATE_COMPLETED',
  rejected: 'PAIRING_STATE_REJECTED',
  expired: 'PAIRING_STATE_EXPIRED',
} as const satisfies Record<PairingState, string>;

/** The handlers of PairingService. */
export function pairingHandlers({ pairing, schema, clock, log }: PairingServicePorts): UntypedServiceImplementation {
  const told = (cause: unknown): ReturnType<typeof statusOf> => {
    if (!(cause instanceof PalyraError)) log.error({ err: cause }, 'a pairing call failed');
    return statusOf(cause);
  };

  const unary =
    <Out>(handle: (request: unknown, caller: Caller) => Promise<Out>) =>
    (call: ServerUnaryCall<unknown, Out>, answer: sendUnaryData<Out>): void => {
      handle(call.request, callerOf(call.getPeer())).then(
        (message) => answer(null, message),
        (cause: unknown) => answer(told(cause)),
      );
    };

  async function begin(request: unknown, caller: Caller): Promise<BeginPairingSessionResponse> {
    const message = parseMessage(beginInput, request);
    const order = {
      kind: message.kind === 'PAIRING_CODE_KIND_PIN' ? ('pin' as const) : ('token' as const),
      selector: message.selector,
      clientNonce: message.client_nonce,
      csrDer: message.csr_der,
      helloHash: message.hello_hash,
      sasCommit: message.sas_commit,
    };
    const begun = await pairing.begin(order, caller);
    return {
      v: VERSION,
      session_id: begun.sessionId,
      salt: begun.salt,
      kdf_log_n: KDF.logN,
      kdf_r: KDF.r,
      kdf_p: KDF.p,
      daemon_nonce: begun.daemonNonce,
      expires_in_ms: begun.expiresInMs,
      ca_chain_der: [...pairing.caChainDer],
    };
  }

  async function exchange(request: unknown, caller: Caller): Promise<ExchangePairingSessionResponse> {
    const { session_id: sessionId, share_p: shareP } = parseMessage(exchangeInput, request);
    const { shareV, confirmV } = await pairing.exchange(sessionId, shareP, caller);
    return { share_v: shareV, confirm_v: confirmV };
  }

  async function complete(request: unknown, caller: Caller): Promise<CompletePairingSessionResponse> {
    const message = parseMessage(completeInput, request);
    const completed = await pairing.complete(
      {
        sessionId: message.session_id,
        confirmP: message.confirm_p,
        sasNonce: message.sas_nonce,
        helloBytes: message.device_hello,
        claims: claimsOf(schema, message.device_hello),
      },
      caller,
    );
    return {
      request_id: completed.requestId,
      device_id: completed.deviceId,
      state: STATE[completed.state],
      approval_id: completed.approvalId,
      expires_at_unix_ms: completed.expiresAtUnixMs,
    };
  }

  async function challenge(request: unknown): Promise<GetChallengeResponse> {
    const { subject } = parseMessage(challengeInput, request);
    return { challenge: pairing.challenge(subject), expires_in_ms: LIMITS.challengeMs };
  }

  async function recover(request: unknown, caller: Caller): Promise<RecoverDeviceCertificateResponse> {
    const message = parseMessage(recoverInput, request);
    const outcome = await pairing.recover(
      {
        deviceId: message.device_id as DeviceId,
        csrDer: message.csr_der,
        challenge: message.challenge,
        signature: message.signature,
      },
      caller,
    );
    if ('certificate' in outcome) return { certificate: certificateMessage(outcome.certificate) };
    return { state: STATE[outcome.state], request_id: outcome.requestId };
  }

  /** Ends with the decision, or in time for the caller to open it anew. */
  function watch(call: ServerWritableStream<PairingRequestProof__Output, PairingRequestStatus>): void {
    let over = false;
    let stopWatching: (() => void) | undefined;
    const stop = (): void => {
      over = true;
      stopTimer();
      stopWatching?.();
    };
    const end = (): void => {
      if (over) return;
      stop();
      call.end();
    };
    const fail = (cause: unknown): void => {
      if (over) return;
      stop();
      call.emit('error', told(cause));
    };
    const stopTimer = clock.after(LIMITS.watchCallMs, end);
    call.on('error', (cause) => log.debug({ err: cause }, 'a watch of a pairing request ended'));
    call.on('cancelled', stop);
    call.on('close', stop);
    const tell = (status: RequestStatus): void => {
      if (over) return;
      call.write(statusMessage(status));
      if (status.state !== 'pending_approval') end();
    };
    const open = async (): Promise<void> => {
      stopWatching = await pairing.watch(proofOf(call.request), tell, fail);
      if (over) stopWatching();
    };
    open().catch(fail);
  }

  return {
    BeginPairingSession: unary(begin),
    ExchangePairingSession: unary(exchange),
    CompletePairingSession: unary(complete),
    GetPairingRequestStatus: unary(async (request) => statusMessage(await pairing.status(proofOf(request)))),
    WatchPairingRequest: watch,
    FetchDeviceCertificate: unary(async (request) => certificateMessage(await pairing.fetch(proofOf(request)))),
    RecoverDeviceCertificate: unary(recover),
    GetChallenge: unary(challenge),
  };
}

function callerOf(peer: string): Caller {
  const address = addressOfPeer(peer);
  return { address: address.replace(/^::ffff:(?=\d+\.)/, ''), source: sourceOf(address) };
}

function proofOf(request: unknown): RequestProof {
  const { request_id: requestId, challenge, signature } = parseMessage(proofInput, request);
  return { requestId, challenge, signature };
}

function claimsOf(schema: Pick<WireSchema, 'deviceHello'>, bytes: Buffer): DeviceClaims {
  let decoded: unknown;
  try {
    decoded = schema.deviceHello.deserialize(bytes);
  } catch (cause) {
    throw new PalyraError('invalid_argument', 'malformed message: device_hello', { cause });
  }
  const hello = parseMessage(deviceHelloInput, decoded);
  return {
    name: hello.name,
    platform: hello.platform,
    arch: hello.arch,
    osVersion: hello.os_version,
    palyraVersion: hello.palyra_version,
    hostname: hello.hostname,
    capabilities: [...new Set(hello.capabilities)],
  };
}

const certificateMessage = (fetched: FetchedCertificate): DeviceCertificate => ({
  certificate_chain_der: [...fetched.chainDer],
  ca_bundle_der: [...fetched.bundleDer],
  device_id: fetched.deviceId,
  not_after_unix_ms: fetched.notAfterUnixMs,
  renew_after_unix_ms: fetched.renewAfterUnixMs,
});

const statusMessage = (status: RequestStatus): PairingRequestStatus => ({
  state: STATE[status.state],
  ...(status.reason !== null && { reason: status.reason }),
  ...(status.decidedAtUnixMs !== null && { decided_at_unix_ms: status.decidedAtUnixMs }),
  challenge: status.challenge,
  device_id: status.deviceId,
});
