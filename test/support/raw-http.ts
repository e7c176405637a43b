import { Agent, type IncomingHttpHeaders, request } from 'node:http';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: unknown;
}

export interface RawCall {
  readonly socketPath?: string | null | undefined;
  readonly port?: number | null;
  readonly method?: string;
  readonly path: string;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Do not say how long the body is. */
  readonly chunked?: boolean;
}

/** One HTTP call with exactly these headers, over a socket or loopback. */
export function rawCall(call: RawCall): Promise<RawAnswer> {
  const { socketPath = null, port = null, method = 'GET', path, token, headers = {}, body, chunked = false } = call;
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        ...(socketPath === null ? { host: '127.0.0.1', port: port ?? 0 } : { socketPath }),
        method,
        path,
        agent: new Agent({ keepAlive: false }),
        headers: {
          host: socketPath === null ? `127.0.0.1:${port}` : 'palyra',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(text !== undefined && { 'content-type': 'application/json' }),
          ...(text !== undefined && !chunked && { 'content-length': Buffer.byteLength(text) }),
          ...(chunked && { 'transfer-encoding': 'chunked' }),
          ...headers,
        },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const whole = Buffer.concat(chunks).toString('utf8');
          const isJson = incoming.headers['content-type']?.startsWith('application/json') === true;
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text: whole,
            json: isJson && whole !== '' ? (JSON.parse(whole) as unknown) : undefined,
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

/** `error.code` of an answer. */
export const codeOf = ({ json }: RawAnswer): string | undefined =>
  (json as { readonly error?: { readonly code?: string } } | undefined)?.error?.code;
