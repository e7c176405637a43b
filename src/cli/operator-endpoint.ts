import { PalyraError } from '../kernel/errors.ts';
import { OPERATOR_TCP, operatorSocketPath } from '../wire/operator-place.ts';

/** Where a daemon may be asked. */
export type OperatorEndpoint =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

const LOOPBACK: Readonly<Record<string, string>> = { '127.0.0.1': '127.0.0.1', '[::1]': '::1', localhost: '127.0.0.1' };

const malformed = (text: string): PalyraError =>
  new PalyraError('usage', `${JSON.stringify(text)} is not the address of a daemon on this machine`, {
    hint: 'write unix:/path/to/operator.sock or http://127.0.0.1:7480',
  });

/** Reads an address as PALYRA_DAEMON or --daemon has it. Only this machine: a token must not travel in clear. Errors: `usage`. */
export function operatorEndpoint(text: string): OperatorEndpoint {
  if (text.startsWith('unix:')) return { kind: 'socket', path: text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '') };
  if (text.startsWith('/') || text.startsWith('\\\\.\\pipe\\')) return { kind: 'socket', path: text };
  const [, name, port = String(OPERATOR_TCP.port)] =
    /^(?:http:\/\/)?(\[::1\]|[^:/[\]]+)(?::(\d{1,5}))?\/?$/.exec(text) ?? [];
  const host = name === undefined ? undefined : LOOPBACK[name];
  if (host === undefined || Number(port) > 65_535) throw malformed(text);
  return { kind: 'tcp', host, port: Number(port) };
}

/** The daemon of a home: its socket, else loopback. */
export const homeEndpoints = (home: string): readonly OperatorEndpoint[] => [
  { kind: 'socket', path: operatorSocketPath(home) },
  { kind: 'tcp', ...OPERATOR_TCP },
];

export const endpointName = (endpoint: OperatorEndpoint): string =>
  endpoint.kind === 'socket' ? endpoint.path : `http://${endpoint.host}:${endpoint.port}`;
