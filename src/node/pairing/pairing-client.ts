// The machine's end of PairingService over one connection.
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { LIMITS } from '../../kernel/limits.ts';
import { dialDaemon } from '../../rpc/dial.ts';
import type { BeginPairingSessionRequest } from '../../rpc/generated/palyra/node/v1/BeginPairingSessionRequest.ts';
import type { BeginPairingSessionResponse__Output } from '../../rpc/generated/palyra/node/v1/BeginPairingSessionResponse.ts';
import type { CompletePairingSessionRequest } from '../../rpc/generated/palyra/node/v1/CompletePairingSessionRequest.ts';
import type { CompletePairingSessionResponse__Output } from '../../rpc/generated/palyra/node/v1/CompletePairingSessionResponse.ts';
import type { DeviceCertificate__Output } from '../../rpc/generated/palyra/node/v1/DeviceCertificate.ts';
import type { ExchangePairingSessionRequest } from '../../rpc/generated/palyra/node/v1/ExchangePairingSessionRequest.ts';
import type { ExchangePairingSessionResponse__Output } from '../../rpc/generated/palyra/node/v1/ExchangePairingSessionResponse.ts';
import type { GetChallengeResponse__Output } from '../../rpc/generated/palyra/node/v1/GetChallengeResponse.ts';
import type { PairingRequestProof } from '../../rpc/generated/palyra/node/v1/PairingRequestProof.ts';
import type { PairingRequestStatus__Output } from '../../rpc/generated/palyra/node/v1/PairingRequestStatus.ts';
import type { RecoverDeviceCertificateRequest } from '../../rpc/generated/palyra/node/v1/RecoverDeviceCertificateRequest.ts';
import type { RecoverDeviceCertificateResponse__Output } from '../../rpc/generated/palyra/node/v1/RecoverDeviceCertificateResponse.ts';
import type { WireSchema } from '../../rpc/schema.ts';
import { errorOfCall } from '../../rpc/status.ts';

/** Errors of every call: what the daemon said, or why it was not reached. */
export interface PairingClient {
  begin(request: BeginPairingSessionRequest): Promise<BeginPairingSessionResponse__Output>;
  exchange(request: ExchangePairingSessionRequest): Promise<ExchangePairingSessionResponse__Output>;
  complete(request: CompletePairingSessionRequest): Promise<CompletePairingSessionResponse__Output>;
  challenge(subject: string): Promise<GetChallengeResponse__Output>;
  fetch(proof: PairingRequestProof): Promise<DeviceCertificate__Output>;
  recover(request: RecoverDeviceCertificateRequest): Promise<RecoverDeviceCertificateResponse__Output>;
  /** Each state as the daemon pushes it; ends when the daemon ends it. */
  watch(proof: PairingRequestProof, signal: AbortSignal): AsyncIterable<PairingRequestStatus__Output>;
  close(): void;
}

/** Connects at the first call: TLS is verified against this CA alone. */
export function connectPairing(schema: WireSchema, address: string, caPem: string): PairingClient {
  const { pairing } = schema;
  const client = dialDaemon({ address, ca: caPem });
  const failure = (cause: unknown): Error => errorOfCall(cause, address) as Error;

  function definitionOf(method: string) {
    const definition = pairing[method];
    if (definition === undefined) throw new Error(`no method ${method}`);
    return definition;
  }

  function unary<In, Out>(method: string, request: In): Promise<Out> {
    const { path, requestSerialize, responseDeserialize } = definitionOf(method);
    const { promise, resolve, reject } = Promise.withResolvers<Out>();
    client.makeUnaryRequest<In, Out>(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      { deadline: Date.now() + LIMITS.unaryCallMs },
      (error: ServiceError | null, response?: Out) => {
        if (error !== null) reject(failure(error));
        else resolve(response as Out);
      },
    );
    return promise;
  }

  async function* watch(
    proof: PairingRequestProof,
    signal: AbortSignal,
  ): AsyncGenerator<PairingRequestStatus__Output, void> {
    const { path, requestSerialize, responseDeserialize } = definitionOf('WatchPairingRequest');
    const call: ClientReadableStream<PairingRequestStatus__Output> = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      proof,
    );
    // The iteration reports the first error; one that comes after it (of the cancel below) has nobody left.
    call.on('error', () => undefined);
    const cancel = (): void => call.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    try {
      for await (const status of call as AsyncIterable<PairingRequestStatus__Output>) yield status;
    } catch (cause) {
      throw signal.aborted ? signal.reason : failure(cause);
    } finally {
      signal.removeEventListener('abort', cancel);
      cancel();
    }
  }

  return {
    begin: (request) => unary('BeginPairingSession', request),
    exchange: (request) => unary('ExchangePairingSession', request),
    complete: (request) => unary('CompletePairingSession', request),
    challenge: (subject) => unary('GetChallenge', { subject }),
    fetch: (proof) => unary('FetchDeviceCertificate', proof),
    recover: (request) => unary('RecoverDeviceCertificate', request),
    watch,
    close: () => client.close(),
  };
}
