import { X509Certificate } from 'node:crypto';

import type { Socket } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import type { Clock } from '../../kernel/clock.ts';
import { PalyraError, systemCode } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { isDaemonCa } from '../../x509/certificate.ts';
import { DAEMON_NAME } from '../../x509/names.ts';
import type { DaemonAddress } from './daemon-address.ts';
import { openTunnel, proxyFor } from './proxy-tunnel.ts';

const CONNECT_MS = 10_000;

/**
 * The CA that whoever answers there shows. Nothing is trusted yet: the gRPC channel is verified against it, and the
 * key exchange confirms its hash or fails. Errors: daemon_unreachable, not_a_palyra_daemon, clock_skew.
 */
export async function provisionalCa(
  address: DaemonAddress,
  clock: Clock,
  signal: AbortSignal,
): Promise<X509Certificate> {
  const proxy = proxyFor(address.host, process.env);
  const limit = new AbortController();
  const stopTimer = clock.after(CONNECT_MS, () => limit.abort(unreachable(address, 'no answer in time')));
  const either = AbortSignal.any([signal, limit.signal]);
  try {
    return await lookAt(
      address,
      clock,
      proxy === undefined ? undefined : await openTunnel(proxy, address, either),
      either,
    );
  } finally {
    stopTimer();
  }
}

async function lookAt(
  address: DaemonAddress,
  clock: Clock,
  tunnel: Socket | undefined,
  signal: AbortSignal,
): Promise<X509Certificate> {
  const socket = connect({
    ...(tunnel === undefined ? { host: address.host, port: address.port } : { socket: tunnel }),
    servername: DAEMON_NAME,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
  });
  try {
    await connected(socket, address, signal);
    if (socket.alpnProtocol !== 'h2') throw notADaemon(address, 'it does not speak gRPC');
    return caOf(socket.getPeerCertificate(true), address, clock);
  } finally {
    socket.destroy();
    tunnel?.destroy();
  }
}

function connected(socket: TLSSocket, address: DaemonAddress, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  socket.once('secureConnect', resolve);
  socket.on('error', (cause) => reject(connectFailure(cause, address)));
  socket.once('close', () => reject(notADaemon(address, 'it closed the connection before it said who it is')));
  return promise.finally(() => signal.removeEventListener('abort', abort));
}

function caOf(leaf: DetailedPeerCertificate | undefined, address: DaemonAddress, clock: Clock): X509Certificate {
  const issuer = leaf?.issuerCertificate;
  if (leaf?.raw === undefined || issuer?.raw === undefined || issuer.raw.equals(leaf.raw)) {
    throw notADaemon(address, 'its certificate comes without its authority');
  }
  if (issuer.raw.length > LIMITS.certificateBytes) throw notADaemon(address, 'its certificate is far too large');
  const ca = new X509Certificate(issuer.raw);
  if (!isDaemonCa(ca)) throw notADaemon(address, 'its authority is not one of Palyra');
  const own = new X509Certificate(leaf.raw);
  const now = clock.now();
  if (now < own.validFromDate.getTime() || now > own.validToDate.getTime()) {
    throw new PalyraError('clock_skew', `the certificate of ${address.text} is not valid at the time of this machine`, {
      hint: `this machine believes that it is ${new Date(now).toISOString()}; set its clock, or the daemon's, right`,
    });
  }
  return ca;
}

function connectFailure(cause: Error, address: DaemonAddress): PalyraError {
  switch (systemCode(cause)) {
    case 'ECONNREFUSED':
      return unreachable(address, 'the connection was refused', cause);
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return unreachable(address, `there is no address for the name ${address.host}`, cause);
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return unreachable(address, 'there is no way to it', cause);
    case 'ECONNRESET':
      return notADaemon(address, 'it broke the connection', cause);
    case undefined:
    default:
      // What is left is TLS: plain HTTP, an old version, another protocol.
      return notADaemon(address, 'it does not speak TLS 1.3', cause);
  }
}

const unreachable = (address: DaemonAddress, why: string, cause?: unknown): PalyraError =>
  new PalyraError('daemon_unreachable', `no answer from the daemon at ${address.text}: ${why}`, {
    hint: 'see on its machine whether it runs (`palyra daemon status`), and whether a firewall is between',
    cause,
  });

const notADaemon = (address: DaemonAddress, why: string, cause?: unknown): PalyraError =>
  new PalyraError('not_a_palyra_daemon', `what answers at ${address.text} is not a Palyra daemon: ${why}`, {
    hint: 'give the node address of the daemon, port 7443 unless it was set otherwise; not the one of the Console',
    cause,
  });
