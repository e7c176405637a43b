import * as z from 'zod';
import type { CapabilityDispatch } from '../../dispatch/types.ts';
import type { RequestId } from '../../kernel/ids.ts';
import { reasonBody, requestParams, requestsQuery } from '../input-schemas.ts';
import type { InventoryPort } from '../ports.ts';
import { actorOf, assertInScope } from '../principal.ts';
import { keptOutputView, requestView } from '../request-view.ts';
import { type Route, route } from '../route.ts';
import { keptOutputSchema, requestSchema, requestsSchema } from '../view-schemas.ts';

const requestId = (id: string): RequestId => id as RequestId;

/** What became of capability requests, and their cancellation. */
export const requestRoutes = (dispatch: CapabilityDispatch, inventory: InventoryPort): readonly Route[] => [
  route({
    method: 'GET',
    path: '/api/v1/requests',
    role: 'viewer',
    summary: 'List capability requests, newest first.',
    query: requestsQuery,
    response: requestsSchema,
    handle: async ({ query: { cursor, limit, node, state, capability, created_by: createdBy } }) => {
      const filter = {
        ...(node !== undefined && { deviceId: (await inventory.resolve(node)).device_id }),
        ...(state !== undefined && { states: state }),
        ...(capability !== undefined && { capability }),
        ...(createdBy !== undefined && { createdBy }),
      };
      const { rows, nextCursor } = await dispatch.list(filter, cursor ?? null, limit);
      return { body: { requests: rows.map(requestView), next_cursor: nextCursor } };
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/requests/:request',
    role: 'viewer',
    summary: 'Show one capability request.',
    params: requestParams,
    response: requestSchema,
    handle: async ({ params }) => ({ body: requestView(await dispatch.get(requestId(params.request))) }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/requests/:request/output',
    role: 'viewer',
    summary: 'Show what is kept of the output of a request.',
    params: requestParams,
    query: z.strictObject({}),
    response: keptOutputSchema,
    handle: async ({ params }) => ({
      body: keptOutputView(params.request, await dispatch.output(requestId(params.request))),
    }),
  }),
  route({
    method: 'POST',
    path: '/api/v1/requests/:request/cancel',
    role: 'operator',
    summary: 'Ask for the end of a request: its whole process tree on the node.',
    params: requestParams,
    body: reasonBody,
    response: requestSchema,
    handle: async ({ params, body, principal }) => {
      const id = requestId(params.request);
      assertInScope(principal, (await dispatch.get(id)).capability);
      const row = await dispatch.cancel(id, actorOf(principal), body?.reason ?? `cancelled by ${principal.name}`);
      return { status: 202, body: requestView(row) };
    },
  }),
];
