import { PalyraError } from '../kernel/errors.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * An address to listen on: `0.0.0.0:7443`, `[::]:7443`, `host:0` for any free port, or `:7443` for all of IPv4.
 * Errors: `config_invalid`.
 */
export function listenAddress(text: string): ListenAddress {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:\s]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || port === undefined || Number(port) > 65_535) {
    throw new PalyraError('config_invalid', `${JSON.stringify(text)} is not an address to listen on`, {
      hint: 'write it as 0.0.0.0:7443, [::]:7443 or 127.0.0.1:0',
    });
  }
  return { host: host === '' ? '0.0.0.0' : host, port: Number(port) };
}

/** The address in the form that `listenAddress` reads. */
export const addressText = ({ host, port }: ListenAddress): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
