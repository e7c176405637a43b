import { isIPv6 } from 'node:net';
import { PalyraError } from '../../kernel/errors.ts';

export const NODE_PORT = 7443;

/** Where a daemon's node port is. */
export interface DaemonAddress {
  /** A name or address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port`; an IPv6 address in brackets. */
  readonly text: string;
}

/** Reads `HOST`, `HOST:PORT`, `[IPV6]:PORT`, a bare IPv6 address, each also behind `https://`. Errors: usage. */
export function daemonAddress(typed: string): DaemonAddress {
  const bare = typed
    .trim()
    .replace(/^(https|grpcs?):\/\//, '')
    .replace(/\/$/, '');
  if (isIPv6(bare)) return made(bare, NODE_PORT);
  const [, bracketed, name, port] = /^(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?$/.exec(bare) ?? [];
  const host = bracketed ?? name;
  const number = port === undefined ? NODE_PORT : Number(port);
  if (host === undefined || (bracketed !== undefined && !isIPv6(bracketed)) || number < 1 || number > 65_535) {
    throw new PalyraError('usage', `${JSON.stringify(typed)} is not the address of a daemon`, {
      hint: `give HOST or HOST:PORT; without a port it is ${NODE_PORT}`,
    });
  }
  return made(host, number);
}

const made = (host: string, port: number): DaemonAddress => ({
  host,
  port,
  text: `${isIPv6(host) ? `[${host}]` : host}:${port}`,
});
