import {
  approveBody,
  codeParams,
  mintBody,
  pageQuery,
  pairingParams,
  pairingQuery,
  reasonBody,
} from '../input-schemas.ts';
import { codeView, pairingRequestView } from '../pairing-view.ts';
import type { PairingPort } from '../ports.ts';
import { actorOf } from '../principal.ts';
import { type Route, route } from '../route.ts';
import { codesSchema, mintedCodeSchema, pairingRequestSchema, pairingRequestsSchema } from '../view-schemas.ts';

/** Codes for new machines, and the decisions about them. */
export const pairingRoutes = (pairing: PairingPort): readonly Route[] => [
  route({
    method: 'POST',
    path: '/api/v1/pairing/codes',
    role: 'approver',
    summary: 'Make a PIN for one new machine. It is shown in this answer and never again.',
    body: mintBody,
    response: mintedCodeSchema,
    handle: async ({ body, principal }) => {
      const { ttl_ms: ttlMs, name, labels, capabilities } = body ?? {};
      const order = {
        ...(ttlMs !== undefined && { ttlMs }),
        ...(name !== undefined && { name }),
        ...(labels !== undefined && { labels }),
        ...(capabilities !== undefined && { capabilities }),
      };
      const { pin, codeId, expiresAtUnixMs } = await pairing.mintPin(order, actorOf(principal));
      return { status: 201, body: { pin, code_id: codeId, expires_at_unix_ms: expiresAtUnixMs } };
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/pairing/codes',
    role: 'viewer',
    summary: 'List live codes: their ids, expiry and tries, never what they say.',
    query: pageQuery,
    response: codesSchema,
    handle: async ({ query: { cursor, limit } }) => {
      const { rows, nextCursor } = await pairing.listCodes(cursor ?? null, limit);
      return { body: { codes: rows.map(codeView), next_cursor: nextCursor } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/api/v1/pairing/codes/:code',
    role: 'approver',
    summary: 'End a code before its time.',
    params: codeParams,
    response: 'nothing',
    handle: async ({ params, principal }) => {
      await pairing.revokeCode(params.code, actorOf(principal));
      return {};
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/pairing/requests',
    role: 'viewer',
    summary: 'List pairing requests, newest first.',
    query: pairingQuery,
    response: pairingRequestsSchema,
    handle: async ({ query: { cursor, limit, state } }) => {
      const filter = state === undefined ? {} : { state };
      const { rows, nextCursor } = await pairing.listRequests(filter, cursor ?? null, limit);
      return { body: { requests: rows.map(pairingRequestView), next_cursor: nextCursor } };
    },
  }),
  route({
    method: 'GET',
    path: '/api/v1/pairing/requests/:request',
    role: 'viewer',
    summary: 'Show one pairing request.',
    params: pairingParams,
    response: pairingRequestSchema,
    handle: async ({ params }) => ({ body: pairingRequestView(await pairing.showRequest(params.request)) }),
  }),
  route({
    method: 'POST',
    path: '/api/v1/pairing/requests/:request/approve',
    role: 'approver',
    summary: 'Let a machine in and grant it exactly the named capabilities.',
    params: pairingParams,
    body: approveBody,
    response: pairingRequestSchema,
    handle: async ({ params, body, principal }) => {
      const { requestId } = await pairing.showRequest(params.request);
      const decided = await pairing.approve(requestId, body.capabilities, actorOf(principal), body.reason ?? null);
      return { body: pairingRequestView(decided) };
    },
  }),
  route({
    method: 'POST',
    path: '/api/v1/pairing/requests/:request/reject',
    role: 'approver',
    summary: 'Turn a machine away.',
    params: pairingParams,
    body: reasonBody,
    response: pairingRequestSchema,
    handle: async ({ params, body, principal }) => {
      const { requestId } = await pairing.showRequest(params.request);
      return { body: pairingRequestView(await pairing.reject(requestId, actorOf(principal), body?.reason ?? null)) };
    },
  }),
];
