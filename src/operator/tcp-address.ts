import { PalyraError } from '../kernel/errors.ts';

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

const LOOPBACK = ['127.0.0.1', '::1'];

/**
 * An address such as `127.0.0.1:7480` or `[::1]:0`. Errors: `config_invalid`, also for anything but loopback: operator
 * tokens must not travel in clear.
 */
export function loopbackAddress(text: string): TcpAddress {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:]+)\]|([^[\]:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || port === undefined || Number(port) > 65_535) {
    throw new PalyraError('config_invalid', `${JSON.stringify(text)} is not an address`, {
      hint: 'write it as 127.0.0.1:7480',
    });
  }
  if (!LOOPBACK.includes(host)) {
    throw new PalyraError('config_invalid', `operators are only served on loopback without TLS, not on ${host}`, {
      hint: 'use 127.0.0.1:PORT and reach it through ssh -L, or run palyra on that machine',
    });
  }
  return { host, port: Number(port) };
}
