// HTTP/2 by hand over TLS, for what no client library would send.
import { connect, type TLSSocket } from 'node:tls';
import { DAEMON_NAME } from '../../src/x509/names.ts';

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, continuation: 9 } as const;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const HEADER_BYTES = 9;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** A header block of literal fields without indexing (RFC 7541, 6.2.2): no state on either side. */
export function literals(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value);
    if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
    const length: number[] = [127];
    for (let rest = bytes.length - 127; ; rest >>= 7) {
      if (rest < 128) {
        length.push(rest);
        break;
      }
      length.push((rest & 127) | 128);
    }
    return Buffer.concat([Buffer.from(length), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

export const callFields = (path: string): (readonly [string, string])[] => [
  [':method', 'POST'],
  [':scheme', 'https'],
  [':path', path],
  [':authority', DAEMON_NAME],
  ['te', 'trailers'],
  ['content-type', 'application/grpc'],
];

/** A connection after the preface and empty settings. What comes back is read and dropped. */
export class RawH2 {
  readonly socket: TLSSocket;
  /** Resolves when the other side closed it. */
  readonly closed: Promise<void>;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  static async open(port: number, ca: string): Promise<RawH2> {
    const socket = connect({ host: '127.0.0.1', port, ca, servername: DAEMON_NAME, ALPNProtocols: ['h2'] });
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const raw = new RawH2(socket);
    socket.resume();
    socket.write(PREFACE);
    socket.write(frame(FRAME.settings, 0, 0));
    return raw;
  }

  get isClosed(): boolean {
    return this.socket.destroyed || this.socket.closed;
  }

  /** Writes pieces until all are out or the other side had enough; resolves with how many it took. */
  async flood(pieces: Iterable<Uint8Array>): Promise<number> {
    let sent = 0;
    for (const piece of pieces) {
      if (this.isClosed) break;
      sent += 1;
      if (this.socket.write(piece)) continue;
      await Promise.race([new Promise((resolve) => this.socket.once('drain', resolve)), this.closed]);
    }
    return sent;
  }
}
