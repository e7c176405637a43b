import type { IncomingMessage } from 'node:http';
import { PalyraError } from '../kernel/errors.ts';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The names under which a loopback listener is reached. */
export const loopbackHosts = (port: number): readonly string[] =>
  ['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`);

/** The socket has no address; HTTP wants a name all the same. */
export const SOCKET_HOSTS: readonly string[] = ['localhost', 'palyra'];

/**
 * Refuses a browser that was led here: by a foreign name that resolves to this machine (DNS rebinding), or from a page
 * of another origin. Before anything else of a request is looked at. Errors: `host_not_allowed`, `origin_not_allowed`.
 */
export function assertOwnOrigin({ headers, method = 'GET' }: IncomingMessage, hosts: readonly string[]): void {
  const { host, origin, 'sec-fetch-site': site } = headers;
  if (host === undefined || !hosts.includes(host.toLowerCase())) {
    throw new PalyraError('host_not_allowed', 'the Host header is not a name of this daemon', {
      hint: `use ${hosts[0]}`,
    });
  }
  const foreign = origin !== undefined && !hosts.some((name) => origin === `http://${name}`);
  const crossSite = !SAFE.has(method) && site !== undefined && site !== 'same-origin';
  if (foreign || crossSite) {
    throw new PalyraError('origin_not_allowed', 'the request comes from a page of another origin');
  }
}
