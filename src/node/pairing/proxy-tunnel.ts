import { request } from 'node:http';
import { BlockList, isIP, isIPv4, type Socket } from 'node:net';
import { PalyraError } from '../../kernel/errors.ts';
import type { DaemonAddress } from './daemon-address.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The HTTP proxy that the gRPC library will use for this host: grpc_proxy, https_proxy or http_proxy, but for what
 * no_grpc_proxy or no_proxy names (suffixes, addresses, IPv4 networks). The first look at a daemon must take the same
 * way as everything after it.
 */
export function proxyFor(host: string, environment: Environment): URL | undefined {
  const named = environment['grpc_proxy'] || environment['https_proxy'] || environment['http_proxy'];
  if (named === undefined || named === '' || !URL.canParse(named)) return undefined;
  const proxy = new URL(named);
  if (proxy.protocol !== 'http:') return undefined;
  const exempt = (environment['no_grpc_proxy'] || environment['no_proxy'] || '').split(',').filter(Boolean);
  return exempt.some((entry) => host.endsWith(entry) || inNetwork(host, entry)) ? undefined : proxy;
}

function inNetwork(host: string, entry: string): boolean {
  const [network = '', prefix = ''] = entry.split('/');
  const bits = Number(prefix);
  if (!isIPv4(host) || !isIPv4(network) || !/^\d+$/.test(prefix) || bits > 32) return false;
  const list = new BlockList();
  list.addSubnet(network, bits);
  return list.check(host);
}

/** A connection to the daemon through the proxy. Errors: daemon_unreachable; the signal's reason. */
export function openTunnel(proxy: URL, address: DaemonAddress, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const credentials = decodeURIComponent(`${proxy.username}${proxy.password === '' ? '' : `:${proxy.password}`}`);
  const host = proxy.hostname.replace(/^\[(.*)\]$/, '$1');
  const call = request({
    method: 'CONNECT',
    host,
    ...(isIP(host) === 0 && { autoSelectFamily: true }),
    port: proxy.port === '' ? 80 : Number(proxy.port),
    path: address.text,
    headers: {
      host: address.text,
      ...(credentials !== '' && { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
    },
    agent: false,
    signal,
  });
  const failed = (why: string, cause?: unknown): void =>
    reject(
      signal.aborted
        ? (signal.reason as Error)
        : new PalyraError('daemon_unreachable', `no way to ${address.text} through the proxy ${proxy.host}: ${why}`, {
            hint: 'name the daemon in no_proxy, or allow its port in the proxy',
            cause,
          }),
    );
  call.once('connect', ({ statusCode = 0 }, socket: Socket) => {
    if (statusCode === 200) {
      resolve(socket);
      return;
    }
    socket.destroy();
    failed(`it answered ${statusCode}`);
  });
  call.once('response', ({ statusCode }) => {
    call.destroy();
    failed(`it answered ${statusCode}`);
  });
  call.once('error', (cause) => failed(cause.message, cause));
  call.end();
  return promise;
}
