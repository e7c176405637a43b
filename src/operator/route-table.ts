import type { CapabilityDispatch } from '../dispatch/types.ts';
import type { Logger } from '../kernel/log.ts';
import type { Authenticator } from './authenticator.ts';
import type { CapabilityCatalog, DeviceTrustPort, InventoryPort, PairingPort, ReadinessCheck } from './ports.ts';
import type { Route } from './route.ts';
import { nodeRoutes } from './routes/node-routes.ts';
import { pairingRoutes } from './routes/pairing-routes.ts';
import { requestRoutes } from './routes/request-routes.ts';
import { serviceRoutes } from './routes/service-routes.ts';
import { streamRoutes } from './routes/stream-routes.ts';
import type { Watches } from './watches.ts';

export interface RouteTableOptions {
  readonly dispatch: CapabilityDispatch;
  readonly inventory: InventoryPort;
  readonly trust: DeviceTrustPort;
  readonly pairing: PairingPort;
  readonly catalog: CapabilityCatalog;
  readonly readiness: readonly ReadinessCheck[];
  readonly log: Logger;
  readonly authenticator: Authenticator;
  readonly watches: Watches;
  readonly daemonId: string;
  readonly draining: () => boolean;
  readonly socketEndpoint: string;
}

/** Every path of the operator API with its role, its schemas and its handler. */
export const routeTable = (options: RouteTableOptions): readonly Route[] => [
  ...serviceRoutes(options),
  ...nodeRoutes(options.inventory, options.trust),
  ...pairingRoutes(options.pairing),
  ...streamRoutes(options),
  ...requestRoutes(options.dispatch, options.inventory),
];
