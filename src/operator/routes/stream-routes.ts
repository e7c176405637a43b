import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CapabilityDispatch, DispatchOrder, DispatchReceipt, WatchOffsets } from '../../dispatch/types.ts';
import { PalyraError } from '../../kernel/errors.ts';
import type { DeviceId, RequestId } from '../../kernel/ids.ts';
import { LIMITS } from '../../kernel/limits.ts';
import type { Logger } from '../../kernel/log.ts';
import * as inputs from '../input-schemas.ts';
import type { CapabilityCatalog, InventoryPort } from '../ports.ts';
import { actorOf, assertInScope, type Principal } from '../principal.ts';
import { problemOf } from '../problem.ts';
import { roleAllows } from '../roles.ts';
import { type Route, type RouteCall, route } from '../route.ts';
import { takeStdin } from '../stdin-upload.ts';
import { validate } from '../validate.ts';
import { acceptedSchema } from '../view-schemas.ts';
import { encodingFor } from '../watch-encoding.ts';
import { WatchStream } from '../watch-stream.ts';
import type { Watches } from '../watches.ts';

export interface StreamRoutesOptions {
  readonly dispatch: CapabilityDispatch;
  readonly inventory: InventoryPort;
  readonly catalog: CapabilityCatalog;
  readonly watches: Watches;
  readonly log: Logger;
}

interface Reader {
  readonly principal: Principal;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly from: WatchOffsets;
  readonly holds: boolean;
}

interface Watched extends DispatchReceipt {
  readonly deviceId: DeviceId;
}

type CreateCall = RouteCall<
  undefined,
  ReturnType<typeof inputs.createQuery.parse>,
  ReturnType<typeof inputs.createBody.parse>
>;

const offsets = (query: { readonly stdout_offset: number; readonly stderr_offset: number }): WatchOffsets => ({
  stdoutBytes: query.stdout_offset,
  stderrBytes: query.stderr_offset,
});

/** The JSON that goes to the node. Errors: `invalid_argument`, `payload_too_large`. */
function inputJson(catalog: CapabilityCatalog, capability: string, input: unknown): string {
  const text = JSON.stringify(catalog.parseInput(capability, input) ?? input);
  const bytes = Buffer.byteLength(text);
  if (bytes <= LIMITS.inputBytes) return text;
  throw new PalyraError('payload_too_large', `the input of ${capability} has ${bytes} bytes`, {
    hint: `at most ${LIMITS.inputBytes} bytes; send large data as standard input`,
  });
}

/** What makes two requests the same to an idempotency key: everything that was asked for. */
const fingerprint = (body: unknown): string => createHash('sha256').update(JSON.stringify(body)).digest('hex');

/** Asking for work, and the streams that belong to it. */
export function streamRoutes(options: StreamRoutesOptions): readonly Route[] {
  const { dispatch, inventory, catalog, watches, log } = options;

  async function order({ body, principal, incoming }: CreateCall, attached: boolean): Promise<DispatchOrder> {
    assertInScope(principal, body.capability);
    const json = inputJson(catalog, body.capability, body.input);
    const header = incoming.headers['idempotency-key'];
    const key = header === undefined ? undefined : String(validate(inputs.idempotencyKey, header, 'Idempotency-Key'));
    return {
      deviceId: (await inventory.resolve(body.node)).device_id,
      capability: body.capability,
      inputJson: json,
      stdinMode: body.stdin_mode,
      ...(body.stdin_base64 !== undefined && { stdin: Buffer.from(body.stdin_base64, 'base64') }),
      attached,
      ...(body.queue_ttl_ms !== undefined && { queueTtlMs: body.queue_ttl_ms }),
      runTimeoutMs: body.run_timeout_ms,
      ...(key !== undefined && {
        idempotency: { operatorId: principal.operatorId, key, requestSha256: fingerprint(body) },
      }),
      actor: actorOf(principal),
    };
  }

  async function stream(reader: Reader, watched: () => Promise<Watched>): Promise<void> {
    const { principal, incoming, outgoing, from, holds } = reader;
    const watchId = watches.reserve(principal);
    const release = (): void => watches.close(watchId);
    const { requestId, deviceId, state, reused } = await watched().catch((cause: unknown) => {
      release();
      throw cause;
    });
    const encoding = encodingFor(incoming.headers.accept);
    const watch = new WatchStream({ outgoing, encoding, from, holds, onClosed: release });
    watches.started(watchId, requestId, watch);
    watch.send({ type: 'request', request_id: requestId, device_id: deviceId, state, reused, watch_id: watchId });
    try {
      watch.attach(await dispatch.watch(requestId, from, watch));
    } catch (cause) {
      watch.fail(problemOf(cause, log).document.error);
    }
  }

  async function seen(id: string): Promise<Watched> {
    const { request_id: requestId, device_id: deviceId, state } = await dispatch.get(id as RequestId);
    return { requestId, deviceId, state, reused: true };
  }

  return [
    route({
      method: 'POST',
      path: '/api/v1/requests',
      role: 'operator',
      summary: 'Ask a node for a capability; with watch=1 the answer is the stream of its events.',
      query: inputs.createQuery,
      body: inputs.createBody,
      response: acceptedSchema,
      handle: async (call) => {
        const { query, principal, incoming, outgoing } = call;
        const asked = await order(call, query.watch === true);
        const accept = async (): Promise<Watched> => ({ ...(await dispatch.submit(asked)), deviceId: asked.deviceId });
        if (query.watch === true) {
          await stream({ principal, incoming, outgoing, from: offsets(query), holds: true }, accept);
          return undefined;
        }
        const { requestId, deviceId, state, reused } = await accept();
        return {
          status: 202,
          body: { request_id: requestId, device_id: deviceId, state, reused },
          headers: { location: `/api/v1/requests/${requestId}` },
        };
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/requests/:request/watch',
      role: 'viewer',
      summary: 'Follow a request: its states, its output from the given offsets on, and its end.',
      params: inputs.requestParams,
      query: inputs.watchQuery,
      response: 'stream',
      handle: async ({ params, query, principal, incoming, outgoing }) => {
        // Who may not run programs must not be able to hold one up either.
        const holds = roleAllows(principal.role, 'operator') && query.observe !== true;
        const reader = { principal, incoming, outgoing, from: offsets(query), holds };
        await stream(reader, () => seen(params.request));
        return undefined;
      },
    }),
    route({
      method: 'POST',
      path: '/api/v1/requests/:request/ack',
      role: 'viewer',
      summary: 'Say how much of the output of a watch stream has been taken for good.',
      params: inputs.requestParams,
      body: inputs.ackBody,
      response: 'nothing',
      handle: async ({ params, body, principal }) => {
        const { watch_id: watchId, stdout_bytes: stdoutBytes, stderr_bytes: stderrBytes } = body;
        watches.find(watchId, params.request as RequestId, principal).acknowledge({ stdoutBytes, stderrBytes });
        return {};
      },
    }),
    route({
      method: 'POST',
      path: '/api/v1/requests/:request/stdin',
      role: 'operator',
      summary: 'Send standard input from the given offset on; with end=1 it is closed behind the body.',
      params: inputs.requestParams,
      query: inputs.stdinQuery,
      response: 'nothing',
      rawBody: true,
      handle: async ({ params, query, principal, incoming }) => {
        const requestId = params.request as RequestId;
        assertInScope(principal, (await dispatch.get(requestId)).capability);
        await takeStdin(dispatch, requestId, { incoming, offset: query.offset, end: query.end === true });
        return {};
      },
    }),
  ];
}
