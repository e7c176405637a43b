// The near side of the yardsticks: a grpc-js server with the certificates of a real fleet and no logic.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { FrameBatcher, membersOf } from '../../src/rpc/frame-batch.ts';
import type { BulkFromDaemon, BulkFromNode, DaemonFrame, NodeFrame } from '../../src/rpc/frames.ts';
import { loadWireSchema } from '../../src/rpc/schema.ts';
import type { RawDial } from './raw-node.ts';

const PAYLOAD = Buffer.alloc(150, 7);
const NOTHING = Buffer.alloc(0);

export interface FleetFiles {
  readonly daemonHome: string;
  readonly nodeHome: string;
}

/** What a device of the fleet shows, and whom it believes. */
export function deviceFiles({ nodeHome }: FleetFiles): Omit<RawDial, 'address'> {
  const file = (name: string): string => readFileSync(join(nodeHome, 'node', 'identity', name), 'utf8');
  return { ca: file('ca-bundle.pem'), chain: file('device.pem'), key: file('device-key.pem') };
}

export class RawDaemon {
  readonly #server: Server;
  readonly #waiting = new Map<string, () => void>();
  #send: ((frame: DaemonFrame) => void) | undefined;
  #echoing = Promise.withResolvers<void>();
  #next = 0;
  #batched = false;
  readonly address: string;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
  }

  static async start(files: FleetFiles): Promise<RawDaemon> {
    const { node } = loadWireSchema();
    const server = new Server({ 'grpc.max_receive_message_length': 16 << 20, 'grpc.enable_channelz': 0 });
    const holder: { raw?: RawDaemon } = {};
    server.addService(node, {
      StreamNodeEvents: (call: ServerDuplexStream<NodeFrame, DaemonFrame>) => holder.raw?.echoes(call),
      ExecuteCapability: (call: ServerDuplexStream<BulkFromNode, BulkFromDaemon>) => {
        call.on('data', () => undefined);
        call.on('error', () => undefined);
        call.on('end', () => call.end());
      },
      RegisterNode: () => undefined,
      RotateDeviceCertificate: () => undefined,
      RevokeDevicePairing: () => undefined,
    });
    const pem = readFileSync(join(files.daemonHome, 'daemon', 'identity', 'daemon.pem'));
    const ca = readFileSync(join(files.daemonHome, 'daemon', 'ca', 'ca.pem'));
    const credentials = ServerCredentials.createSsl(ca, [{ private_key: pem, cert_chain: pem }], true);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', credentials, (cause, bound) => (cause === null ? resolve(bound) : reject(cause)));
    });
    holder.raw = new RawDaemon(server, port);
    return holder.raw;
  }

  /** Resolves when the next stream echoes: frames of a turn leave together, or each alone. */
  nextEcho(batched: boolean): Promise<void> {
    this.#batched = batched;
    this.#echoing = Promise.withResolvers();
    return this.#echoing.promise;
  }

  /** There and back. */
  echo(): Promise<void> {
    this.#next += 1;
    const id = `${this.#next}`.padStart(26, '0');
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(id, resolve);
    this.#send?.({
      dispatch: {
        request_id: id,
        capability: 'echo',
        input_json: PAYLOAD,
        run_timeout_ms: 0,
        queue_expires_at_unix_ms: 0,
        queue_left_ms: 0,
        stdin_mode: 0,
        stdin: NOTHING,
        output_credit_bytes: 0,
        attached: false,
        epoch: 0,
        requested_by: '',
      },
    });
    return promise;
  }

  echoes(call: ServerDuplexStream<NodeFrame, DaemonFrame>): void {
    const batcher = new FrameBatcher<DaemonFrame>((frame) => void call.write(frame));
    this.#send = this.#batched ? (frame) => batcher.add(frame) : (frame) => void call.write(frame);
    call.on('error', () => undefined);
    call.on('data', (message: NodeFrame) => {
      for (const { output } of membersOf(message)) {
        const id = output?.request_id ?? '';
        if (id === '') {
          this.#echoing.resolve();
          call.write({});
        }
        this.#waiting.get(id)?.();
        this.#waiting.delete(id);
      }
    });
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}
