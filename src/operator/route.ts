import type { IncomingMessage, ServerResponse } from 'node:http';
import type * as z from 'zod';
import type { Principal } from './principal.ts';
import type { Reply } from './reply.ts';
import type { RouteRole } from './roles.ts';

type Schema = z.ZodType;
type Output<S extends Schema | undefined> = S extends Schema ? z.output<S> : undefined;

/** A call that has passed its checks. */
export interface RouteCall<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly principal: Principal;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

interface RouteDescription {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** As Hono writes it: `/api/v1/nodes/:node`. */
  readonly path: string;
  /** Least role. A route without one is refused at start. */
  readonly role: RouteRole;
  /** One sentence for the API document. */
  readonly summary: string;
  /** What it answers with; `stream` for a handler that writes by itself, `nothing` for 204. */
  readonly response: Schema | 'stream' | 'nothing';
  /** The body is not JSON; the handler reads it. */
  readonly rawBody?: boolean;
}

/** One row of the route table. */
export interface Route extends RouteDescription {
  readonly params: Schema | undefined;
  readonly query: Schema | undefined;
  readonly body: Schema | undefined;
  /** The answer, or undefined when it was written already. */
  readonly handle: (call: RouteCall<unknown, unknown, unknown>) => Promise<Reply | undefined>;
}

interface RouteSpec<P extends Schema | undefined, Q extends Schema | undefined, B extends Schema | undefined>
  extends RouteDescription {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly handle: (call: RouteCall<Output<P>, Output<Q>, Output<B>>) => Promise<Reply | undefined>;
}

/** Makes a row of the route table; the handler's types follow from the schemas. */
export function route<
  P extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  B extends Schema | undefined = undefined,
>(spec: RouteSpec<P, Q, B>): Route {
  return { ...spec, params: spec.params, query: spec.query, body: spec.body, handle: spec.handle as Route['handle'] };
}
