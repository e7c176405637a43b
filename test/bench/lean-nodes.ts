// Nodes by the hundred in one process: TLS and HTTP/2 of the runtime and frames by hand, a third of what grpc-js takes.
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectTls, createSecureContext } from 'node:tls';
import { loadWireSchema } from '../../src/rpc/schema.ts';
import { DAEMON_NAME } from '../../src/x509/names.ts';
import type { EnrolledDevice } from '../support/enrol-many.ts';
import { answerOrders } from './child.ts';

const { node } = loadWireSchema();
const PREFIX_BYTES = 5;
const AT_ONCE = 8;
const BOOT_ID = '5c1a7c57-3b6e-4a0e-8d7e-2f7a1f5d9f10';
const FACTS = { palyra_version: '0.1.0', platform: 'linux', arch: 'x64', os_version: '6.18', hostname: 'lean' };
const sessions: ClientHttp2Session[] = [];

/** A message of gRPC: not compressed, its length, itself. */
function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Rejects when the stream ends without one. */
function firstMessage(stream: ClientHttp2Stream): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    let status: unknown = 'none';
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-message'] ?? trailers['grpc-status'];
    });
    stream.once('response', (headers) => {
      status = headers['grpc-message'] ?? status;
    });
    stream.once('close', () => reject(new Error(`the stream ended: ${String(status)}`)));
    stream.on('data', function take(chunk: Buffer) {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < PREFIX_BYTES || bytes.length < PREFIX_BYTES + bytes.readUInt32BE(1)) return;
      stream.off('data', take);
      resolve(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + bytes.readUInt32BE(1)));
    });
  });
}

function call(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  const stream = session.request(
    { ':method': 'POST', ':path': path, te: 'trailers', 'content-type': 'application/grpc' },
    { endStream: false },
  );
  stream.on('error', () => undefined);
  return stream;
}

interface Order {
  readonly address: string;
  readonly ca: string;
  readonly file: string;
  readonly from: number;
  readonly to: number;
  /** A bare server knows no register. */
  readonly bare: boolean;
}

async function connectOne({ key, chain }: EnrolledDevice, { address, ca, bare }: Order): Promise<void> {
  const [host = '', port = ''] = address.split(':');
  const secureContext = createSecureContext({ ca, key, cert: chain, minVersion: 'TLSv1.3' });
  const socket = connectTls({
    host,
    port: Number(port),
    servername: DAEMON_NAME,
    secureContext,
    ALPNProtocols: ['h2'],
  });
  const session = connect(`https://${DAEMON_NAME}`, { createConnection: () => socket });
  session.on('error', (cause) => process.stderr.write(`${cause.message}\n`));
  sessions.push(session);
  let sessionId = '';
  if (!bare) {
    const register = call(session, node['RegisterNode']?.path ?? '');
    const request = {
      instance: { boot_id: BOOT_ID, ledger_id: BOOT_ID, pid: 1, started_at_unix_ms: 1, ...FACTS },
      capabilities: [{ name: 'echo', available: true }],
      node_unix_ms: Date.now(),
    };
    register.end(framed(node['RegisterNode']?.requestSerialize(request) ?? Buffer.alloc(0)));
    const answer = node['RegisterNode']?.responseDeserialize(await firstMessage(register)) as { session_id: string };
    sessionId = answer.session_id;
  }
  const stream = call(session, node.StreamNodeEvents.path);
  const hello = { hello: { session_id: sessionId, boot_id: BOOT_ID, ledger_id: BOOT_ID } };
  const first = bare ? { output: { request_id: '', channel: 1, offset: 0, data: Buffer.alloc(0) } } : hello;
  const stands = firstMessage(stream);
  stream.write(framed(node.StreamNodeEvents.requestSerialize(first)));
  await stands;
  stream.resume();
}

const orders = {
  /** Resolves when all streams stand. */
  async connect(order: Order): Promise<void> {
    const devices = (JSON.parse(readFileSync(order.file, 'utf8')) as EnrolledDevice[]).slice(order.from, order.to);
    const worker = async (): Promise<void> => {
      for (let device = devices.pop(); device !== undefined; device = devices.pop()) await connectOne(device, order);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  },
  disconnect(): void {
    for (const session of sessions.splice(0)) session.destroy();
  },
};
export type LeanOrders = typeof orders;
answerOrders(orders);
