import { nodeParams, nodesQuery, reasonBody } from '../input-schemas.ts';
import type { DeviceTrustPort, InventoryPort } from '../ports.ts';
import { actorOf } from '../principal.ts';
import { type Route, route } from '../route.ts';
import { nodeSchema, nodesSchema } from '../view-schemas.ts';

/** The fleet and who belongs to it. */
export const nodeRoutes = (inventory: InventoryPort, trust: DeviceTrustPort): readonly Route[] => [
  route({
    method: 'GET',
    path: '/api/v1/nodes',
    role: 'viewer',
    summary: 'List nodes and whether they are reachable.',
    query: nodesQuery,
    response: nodesSchema,
    handle: async ({ query: { cursor, limit, presence, trust: wanted, search } }) => {
      const filter = {
        ...(presence !== undefined && { presence }),
        ...(wanted !== undefined && { trust: wanted }),
        ...(search !== undefined && { search }),
      };
      const { rows, nextCursor } = await inventory.list(filter, cursor ?? null, limit);
      return { body: { nodes: rows, next_cursor: nextCursor } };
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/nodes/:node',
    role: 'viewer',
    summary: 'Show one node.',
    params: nodeParams,
    response: nodeSchema,
    handle: async ({ params }) => ({ body: await inventory.resolve(params.node) }),
  }),
  route({
    method: 'POST',
    path: '/api/v1/nodes/:node/revoke',
    role: 'admin',
    summary: 'Cut a node off for good: its certificate, its stream and its open work.',
    params: nodeParams,
    body: reasonBody,
    response: nodeSchema,
    handle: async ({ params, body, principal }) => {
      const { device_id: deviceId } = await inventory.resolve(params.node);
      await trust.revoke(deviceId, actorOf(principal), body?.reason ?? '');
      return { body: await inventory.resolve(deviceId) };
    },
  }),
];
