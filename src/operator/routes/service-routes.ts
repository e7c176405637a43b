import * as z from 'zod';
import { VERSION } from '../../kernel/version.ts';
import { daemonProof, tcpEndpoint } from '../../wire/daemon-proof.ts';
import type { Authenticator } from '../authenticator.ts';
import { helloQuery } from '../input-schemas.ts';
import type { ReadinessCheck } from '../ports.ts';
import { type Route, route } from '../route.ts';
import { healthSchema, helloSchema, versionSchema } from '../view-schemas.ts';

const verboseQuery = z.object({ verbose: z.string().optional() });

export interface ServiceRoutesOptions {
  readonly authenticator: Authenticator;
  readonly daemonId: string;
  readonly readiness: readonly ReadinessCheck[];
  readonly draining: () => boolean;
  /** What the proof of a connection over the socket is about; TCP connections speak for themselves. */
  readonly socketEndpoint: string;
}

/** A check that cannot be made has failed. */
const holds = (check: ReadinessCheck['check']): Promise<boolean> => check().catch(() => false);

/** Health, version, and the daemon's proof of itself. */
export function serviceRoutes(options: ServiceRoutesOptions): readonly Route[] {
  const { authenticator, daemonId, readiness, draining, socketEndpoint } = options;
  return [
    route({
      method: 'GET',
      path: '/healthz',
      role: 'public',
      summary: 'Say that the daemon is alive.',
      query: verboseQuery,
      response: healthSchema,
      handle: async ({ query }) => ({
        body: query.verbose === undefined ? { status: 'ok' } : { status: 'ok', checks: { event_loop: true } },
      }),
    }),
    route({
      method: 'GET',
      path: '/readyz',
      role: 'public',
      summary: 'Say whether the daemon takes work.',
      query: verboseQuery,
      response: healthSchema,
      handle: async ({ query }) => {
        const results = await Promise.all(
          readiness.map(async ({ name, check }) => [name, await holds(check)] as const),
        );
        const checks = Object.fromEntries([...results, ['not_draining', !draining()] as const]);
        const ready = Object.values(checks).every(Boolean);
        return {
          status: ready ? 200 : 503,
          body: { status: ready ? 'ok' : 'failing', ...(query.verbose !== undefined && { checks }) },
        };
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/hello',
      role: 'public',
      summary: 'Prove to a caller that this daemon knows its token, before the token is sent.',
      query: helloQuery,
      response: helloSchema,
      handle: async ({ query, incoming: { socket } }) => {
        const endpoint =
          socket.localAddress === undefined ? socketEndpoint : tcpEndpoint(socket.localAddress, socket.localPort);
        const secretSha256 = await authenticator.secretSha256Of(query.id);
        return { body: { proof: daemonProof(secretSha256, query.nonce, endpoint).toString('base64url') } };
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/version',
      role: 'viewer',
      summary: 'Name the version of the daemon and the oldest client that it works with.',
      response: versionSchema,
      handle: async () => ({
        body: {
          version: VERSION,
          api: 'v1',
          min_client_version: '0.1.0',
          daemon_id: daemonId,
          platform: process.platform,
          arch: process.arch,
          node_version: process.version,
        },
      }),
    }),
  ];
}
