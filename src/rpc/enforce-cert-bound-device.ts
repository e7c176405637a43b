import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { Connections, NodePortConnection } from './connections.ts';
import type { CertifiedDevice, IdentityPort } from './ports.ts';
import { statusOf } from './status.ts';

/** `anyone`: pairing. `registering`: a device that may still be enrolling. `device`: a trusted device. */
export type Access = 'anyone' | 'registering' | 'device';

/** Who may call what, by full method path. What is not in here is refused. */
const ACCESS: Readonly<Record<string, Access>> = {
  '/palyra.node.v1.PairingService/BeginPairingSession': 'anyone',
  '/palyra.node.v1.PairingService/ExchangePairingSession': 'anyone',
  '/palyra.node.v1.PairingService/CompletePairingSession': 'anyone',
  '/palyra.node.v1.PairingService/GetPairingRequestStatus': 'anyone',
  '/palyra.node.v1.PairingService/WatchPairingRequest': 'anyone',
  '/palyra.node.v1.PairingService/FetchDeviceCertificate': 'anyone',
  '/palyra.node.v1.PairingService/GetChallenge': 'anyone',
  '/palyra.node.v1.PairingService/RecoverDeviceCertificate': 'anyone',
  '/palyra.node.v1.NodeService/RegisterNode': 'registering',
  '/palyra.node.v1.NodeService/StreamNodeEvents': 'device',
  '/palyra.node.v1.NodeService/ExecuteCapability': 'device',
  '/palyra.node.v1.NodeService/RotateDeviceCertificate': 'device',
  '/palyra.node.v1.NodeService/RevokeDevicePairing': 'device',
};
const WATCH = '/palyra.node.v1.PairingService/WatchPairingRequest';

/** Throws when a service has a method that nobody decided about: the daemon must not start with it. */
export function assertEveryMethodDecided(services: readonly ServiceDefinition[]): void {
  for (const service of services) {
    for (const { path } of Object.values(service)) {
      if (!Object.hasOwn(ACCESS, path)) throw new Error(`no access rule for ${path}`);
    }
  }
}

export interface GuardPorts {
  readonly identity: Pick<IdentityPort, 'deviceOf'>;
  readonly connections: Connections;
  readonly clock: Clock;
}

/**
 * The device that a certificate stands for at this moment.
 * Errors: certificate_required, certificate_unknown, certificate_expired, device_revoked, device_suspended,
 * device_removed, device_not_registered.
 */
export function deviceByCertificate(
  { identity, clock }: Pick<GuardPorts, 'identity' | 'clock'>,
  fingerprint: string | null | undefined,
  access: 'registering' | 'device',
): CertifiedDevice {
  if (fingerprint === null || fingerprint === undefined) {
    throw new PalyraError('certificate_required', 'this call needs the certificate of a paired device', {
      hint: 'pair this machine: `palyra node pair <pin>`',
    });
  }
  const device = identity.deviceOf(fingerprint);
  if (device === undefined) {
    throw new PalyraError('certificate_unknown', 'this daemon does not know the certificate', {
      hint: 'pair this machine again: `palyra node unpair --local`, then `palyra node pair <pin>`',
    });
  }
  switch (device.trust) {
    case 'revoked':
    case 'suspended':
    case 'removed':
      throw new PalyraError(`device_${device.trust}`, `this device was ${device.trust} by an operator of the daemon`, {
        hint: 'ask who runs the daemon',
      });
    case 'enrolling':
      if (access === 'registering') break;
      throw new PalyraError('device_not_registered', 'this device has not registered yet');
    case 'trusted':
      break;
  }
  if (device.notAfterUnixMs <= clock.now()) {
    throw new PalyraError('certificate_expired', 'the certificate of this device has expired', {
      hint: '`palyra node status` says when; it is renewed while the node runs',
    });
  }
  return device;
}

/** Reads the certificate of a connection once: it is the same for its whole life. Only one that OpenSSL accepted. */
function fingerprintOf(connection: NodePortConnection, call: ServerInterceptingCallInterface): string | null {
  connection.fingerprint ??= call.getAuthContext().sslPeerCertificate?.fingerprint256 ?? null;
  return connection.fingerprint;
}

/**
 * The one gate of the node port. No handler of NodeService is entered without a certificate that is found in the map
 * of issued ones, unexpired, of a device whose trust allows the call; the device of a call is who its certificate
 * says. Calls of the unknown are few and small.
 */
export function enforceCertBoundDevice(ports: GuardPorts): ServerInterceptor {
  const { connections } = ports;

  const decide = (path: string, call: ServerInterceptingCallInterface): NodePortConnection => {
    const access = Object.hasOwn(ACCESS, path) ? ACCESS[path] : undefined;
    const connection = connections.of(call.getPeer());
    if (access === undefined || connection === undefined) {
      throw new PalyraError('permission_denied', `${path} is not offered`);
    }
    if (access === 'anyone') {
      admitAnonymous(connection);
      return connection;
    }
    const device = deviceByCertificate(ports, fingerprintOf(connection, call), access);
    if (connection.deviceId === undefined) connections.proven(connection, device.deviceId);
    return connection;
  };

  return (method, call) => {
    const anonymous = ACCESS[method.path] === 'anyone';
    let counted: NodePortConnection | undefined;
    const over = (): void => {
      if (counted === undefined) return;
      counted.anonymousOpen -= 1;
      if (method.path === WATCH) counted.watching -= 1;
      counted = undefined;
    };
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata: Metadata, go: (metadata: Metadata) => void) => {
            try {
              const connection = decide(method.path, call);
              if (anonymous) {
                counted = connection;
                connection.anonymousOpen += 1;
                if (method.path === WATCH) connection.watching += 1;
              }
            } catch (error) {
              call.sendStatus(statusOf(error));
              return;
            }
            go(metadata);
          },
          onCancel: over,
        }),
      sendStatus: (status, next) => {
        over();
        next(status);
      },
    });
  };
}

function admitAnonymous(connection: NodePortConnection): void {
  connection.anonymousCalls += 1;
  if (connection.anonymousCalls > LIMITS.anonymousCalls) {
    connection.socket.destroy();
    throw new PalyraError('too_many_requests', 'too many calls on one connection');
  }
  if (connection.anonymousOpen >= LIMITS.anonymousCallsOpen) {
    throw new PalyraError('too_many_requests', 'too many open calls on one connection', {
      details: { retry_after_ms: 1_000 },
    });
  }
}
