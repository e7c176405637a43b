// The node's end of NodeService over one connection.
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import { LIMITS } from '../kernel/limits.ts';
import { type DialOptions, dialDaemon } from './dial.ts';
import { FrameBatcher, membersOf } from './frame-batch.ts';
import type { BulkFromDaemon, BulkFromNode, DaemonFrame, NodeFrame } from './frames.ts';
import type { DeviceCertificate__Output } from './generated/palyra/node/v1/DeviceCertificate.ts';
import type { RegisterNodeRequest } from './generated/palyra/node/v1/RegisterNodeRequest.ts';
import type { RegisterNodeResponse__Output } from './generated/palyra/node/v1/RegisterNodeResponse.ts';
import type { RevokeDevicePairingRequest } from './generated/palyra/node/v1/RevokeDevicePairingRequest.ts';
import type { RevokeDevicePairingResponse__Output } from './generated/palyra/node/v1/RevokeDevicePairingResponse.ts';
import type { RotateDeviceCertificateRequest } from './generated/palyra/node/v1/RotateDeviceCertificateRequest.ts';
import type { WireSchema } from './schema.ts';
import { errorOfCall } from './status.ts';

/** What comes down a stream. After `ended` nothing more comes. */
export interface StreamEvents<Frame> {
  frame(frame: Frame): void;
  /** `cause` is absent when the daemon ended the stream in order. */
  ended(cause: unknown): void;
}

/** The long stream of a session. */
export interface NodeStream {
  /** Leaves with the other frames of this turn. `payloadBytes`: of the data it carries. */
  send(frame: NodeFrame, payloadBytes?: number): void;
  /** Ends this side; frames before it still leave. */
  end(): void;
  /** Gives the stream up at once. */
  cancel(): void;
}

/** The stream of one request's bulk data. */
export interface BulkStream {
  /** Resolves when the transport took it: whoever waits holds one chunk in memory. Rejects when the stream is gone. */
  send(message: BulkFromNode): Promise<void>;
  end(): void;
  cancel(): void;
}

/** A connection to the daemon under the device's certificate. */
export interface NodeConnection {
  register(request: RegisterNodeRequest): Promise<RegisterNodeResponse__Output>;
  openStream(events: StreamEvents<DaemonFrame>): NodeStream;
  openBulk(requestId: string, events: StreamEvents<BulkFromDaemon>): BulkStream;
  rotate(request: RotateDeviceCertificateRequest): Promise<DeviceCertificate__Output>;
  leave(request: RevokeDevicePairingRequest): Promise<RevokeDevicePairingResponse__Output>;
  /** Closes the connection and everything on it. */
  close(): void;
}

/** Dials at the first call. Errors of every call: what the daemon said, or why it was not reached. */
export function connectNode(schema: WireSchema, options: DialOptions): NodeConnection {
  const { address } = options;
  const { node } = schema;
  const client = dialDaemon(options);
  const failure = (error: unknown): unknown => errorOfCall(error, address);

  function unary<In, Out>(method: string, request: In): Promise<Out> {
    const definition = node[method];
    if (definition === undefined) throw new Error(`no method ${method}`);
    const { promise, resolve, reject } = Promise.withResolvers<Out>();
    client.makeUnaryRequest<In, Out>(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      request,
      { deadline: Date.now() + LIMITS.unaryCallMs },
      (error: ServiceError | null, response?: Out) => {
        if (error !== null) reject(failure(error) as Error);
        else resolve(response as Out);
      },
    );
    return promise;
  }

  function follow<In, Out>(call: ClientDuplexStream<In, Out>, events: StreamEvents<Out>): void {
    let over = false;
    const end = (cause: unknown): void => {
      if (over) return;
      over = true;
      events.ended(cause);
    };
    call.on('data', (message: Out) => {
      if (!over) events.frame(message);
    });
    call.on('error', (error) => end(failure(error)));
    call.on('end', () => end(undefined));
  }

  return {
    register: (request) => unary('RegisterNode', request),
    rotate: (request) => unary('RotateDeviceCertificate', request),
    leave: (request) => unary('RevokeDevicePairing', request),

    openStream(events) {
      const { path, requestSerialize, responseDeserialize } = node.StreamNodeEvents;
      const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      follow(call, {
        frame: (message) => {
          for (const member of membersOf(message)) events.frame(member);
        },
        ended: (cause) => events.ended(cause),
      });
      const batcher = new FrameBatcher<NodeFrame>((frame) => void call.write(frame));
      return {
        send: (frame, payloadBytes) => batcher.add(frame, payloadBytes),
        end: () => {
          batcher.flush();
          call.end();
        },
        cancel: () => call.cancel(),
      };
    },

    openBulk(requestId, events) {
      const { path, requestSerialize, responseDeserialize } = node.ExecuteCapability;
      const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      follow(call, events);
      call.write({ request_id: requestId });
      return {
        send: (message) =>
          new Promise((resolve, reject) => {
            call.write(message, (error?: Error | null) => {
              if (error) reject(error);
              else resolve();
            });
          }),
        end: () => call.end(),
        cancel: () => call.cancel(),
      };
    },

    close: () => client.close(),
  };
}
