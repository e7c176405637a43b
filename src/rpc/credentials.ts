import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { LIMITS } from '../kernel/limits.ts';

/** PEM of what the daemon shows and of whom it accepts. */
export interface ServerIdentity {
  readonly ca: string;
  /** Leaf, then its CA. */
  readonly chain: string;
  readonly key: string;
}

const contextOf = ({ ca, chain, key }: ServerIdentity): SecureContextOptions => ({
  ca,
  cert: chain,
  key,
  minVersion: 'TLSv1.3',
  // A resumed session outlives the end of its certificate.
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/**
 * TLS of the node port: a client certificate is asked for and not demanded, since pairing has none. Who comes with one
 * is decided per call by `enforceCertBoundDevice`, never here.
 */
export class NodePortCredentials extends ServerCredentials {
  constructor(identity: ServerIdentity) {
    // All of the first object reaches http2.createSecureServer, whose options the type of grpc-js does not know.
    const options = {
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: LIMITS.handshakeMs,
      // Replaces the settings of grpc-js, so what it would have set stands here too.
      settings: {
        maxHeaderListSize: LIMITS.grpcHeaderBytes,
        maxConcurrentStreams: LIMITS.streamsPerConnection,
        initialWindowSize: LIMITS.streamWindowBytes,
      },
      maxHeaderListPairs: LIMITS.grpcHeaderFields,
      // Rapid reset (CVE-2023-44487).
      streamResetBurst: 20,
      streamResetRate: 5,
    };
    super(options, contextOf(identity));
  }

  /** New connections get the new leaf; live ones go on. */
  renew(identity: ServerIdentity): void {
    this.updateSecureContextOptions(contextOf(identity));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
