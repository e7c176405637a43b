import { createSecureContext } from 'node:tls';
import { ChannelCredentials, Client, type ClientOptions } from '@grpc/grpc-js';
import { LIMITS } from '../kernel/limits.ts';
import { DAEMON_NAME } from '../x509/names.ts';

export interface DialOptions {
  /** `host:port` of the daemon's node port; an IPv6 address in brackets. */
  readonly address: string;
  /** PEM of every authority the daemon may show. Nothing else is trusted. */
  readonly ca: string;
  /** PEM of the device's chain and key, where it has them. */
  readonly identity?: { readonly chain: string; readonly key: string } | undefined;
  /** TLS name to ask for. */
  readonly serverName?: string;
}

const clientOptions = (serverName: string): ClientOptions => ({
  'grpc.ssl_target_name_override': serverName,
  'grpc.default_authority': serverName,
  'grpc.max_receive_message_length': LIMITS.grpcMessageBytes,
  'grpc.max_send_message_length': LIMITS.grpcMessageBytes,
  'grpc-node.flow_control_window': LIMITS.streamWindowBytes,
  // A retry would buffer and repeat what was written; this program decides itself what is sent again.
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.service_config_disable_resolution': 1,
});

/**
 * A channel to a daemon: TLS 1.3 only, verified against the given authorities under the daemons' fixed name, whatever
 * the address. Connects at the first call; whoever gets an error closes it and dials again. HTTP CONNECT proxies of
 * the environment are used.
 */
export function dialDaemon({ address, ca, identity, serverName = DAEMON_NAME }: DialOptions): Client {
  const context = createSecureContext({
    ca,
    minVersion: 'TLSv1.3',
    ...(identity !== undefined && { cert: identity.chain, key: identity.key }),
  });
  return new Client(`dns:${address}`, ChannelCredentials.createFromSecureContext(context), clientOptions(serverName));
}
