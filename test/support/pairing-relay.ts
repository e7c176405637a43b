// Someone in the middle: shows the certificate of one daemon and passes every pairing call on to another, verbatim.
import type { TestContext } from 'node:test';
import {
  type Client,
  Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { NodePortCredentials } from '../../src/rpc/credentials.ts';
import { dialDaemon } from '../../src/rpc/dial.ts';
import type { PairingDaemon } from './pairing-daemon.ts';

export interface Relay {
  readonly address: string;
  /** Methods that were called, in order. */
  readonly calls: string[];
}

export async function relayTo(
  t: TestContext,
  shown: PairingDaemon,
  target: PairingDaemon,
  { before = async () => undefined }: { readonly before?: (method: string) => Promise<unknown> } = {},
): Promise<Relay> {
  const calls: string[] = [];
  const client: Client = dialDaemon({ address: target.address, ca: target.identity.caCertificate.toString() });
  const handlers: UntypedServiceImplementation = {};
  const { pairing } = target.schema;
  for (const [method, { path, responseStream, requestSerialize, responseDeserialize }] of Object.entries(pairing)) {
    handlers[method] = responseStream
      ? (call: ServerWritableStream<unknown, unknown>) => {
          calls.push(method);
          const onward = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, call.request);
          onward.on('data', (message) => call.write(message));
          onward.on('end', () => call.end());
          onward.on('error', (error) => call.emit('error', error));
          call.on('cancelled', () => onward.cancel());
        }
      : (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => {
          calls.push(method);
          before(method).then(
            () =>
              client.makeUnaryRequest(
                path,
                requestSerialize,
                responseDeserialize,
                call.request,
                (error: ServiceError | null, message?: unknown) => answer(error, message ?? null),
              ),
            (cause: Error) => answer({ code: 14, details: cause.message }),
          );
        };
  }
  const server = new Server();
  server.addService(pairing, handlers);
  const credentials = new NodePortCredentials(shown.identity.serverCredentials());
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  t.after(() => {
    server.forceShutdown();
    client.close();
  });
  return { address: `127.0.0.1:${port}`, calls };
}
