import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import type { Clock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import type { Authenticator } from './authenticator.ts';
import type { Principal } from './principal.ts';
import { problemOf } from './problem.ts';
import { readJson } from './read-body.ts';
import { sendProblem, sendReply } from './reply.ts';
import { type RouteRole, roleAllows } from './roles.ts';
import type { Route } from './route.ts';
import { validate } from './validate.ts';

type AppContext = Context<{ Bindings: HttpBindings }>;

export interface AppOptions {
  readonly routes: readonly Route[];
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether new work is refused because the daemon is stopping. */
  readonly draining: () => boolean;
}

const ROLES: readonly RouteRole[] = ['public', 'viewer', 'operator', 'approver', 'admin'];
const NOBODY: Principal = { operatorId: '', name: '', role: 'viewer', scopes: null, source: '' };

/** Where a call comes from, as limits and the audit name it. */
const sourceOf = ({ remoteAddress }: { readonly remoteAddress?: string | undefined }): string =>
  remoteAddress?.replace(/^::ffff:/, '') ?? 'unix';

/** Refuses a table that would leave a path open by omission. */
function assertComplete(routes: readonly Route[]): void {
  const seen = new Set<string>();
  for (const { method, path, role } of routes) {
    if (!ROLES.includes(role)) throw new Error(`the route ${method} ${path} has no role`);
    if (seen.has(`${method} ${path}`)) throw new Error(`the route ${method} ${path} is there twice`);
    seen.add(`${method} ${path}`);
  }
}

/** The HTTP application over one table of routes: a path that is not in it does not exist. */
export function makeApp({ routes, authenticator, clock, log, draining }: AppOptions): Hono<{ Bindings: HttpBindings }> {
  assertComplete(routes);
  const app = new Hono<{ Bindings: HttpBindings }>();

  const admit = async (role: RouteRole, { incoming }: HttpBindings): Promise<Principal> => {
    if (role === 'public') return NOBODY;
    const principal = await authenticator.authenticate(incoming.headers.authorization, sourceOf(incoming.socket));
    if (roleAllows(principal.role, role)) return principal;
    throw new PalyraError('permission_denied', `${principal.name} has the role ${principal.role}, not ${role}`, {
      hint: `ask somebody with the role ${role} or admin`,
    });
  };

  const serve = async (route: Route, c: AppContext): Promise<Response> => {
    const { incoming, outgoing } = c.env;
    try {
      const principal = await admit(route.role, c.env);
      if (draining() && route.role !== 'public') {
        throw new PalyraError('daemon_draining', 'the daemon is stopping', {
          hint: 'try again in a moment',
          details: { retry_after_ms: 1_000 },
        });
      }
      const params = validate(route.params, c.req.param(), 'path');
      const query = validate(route.query, c.req.query(), 'query');
      const body = route.rawBody ? undefined : validate(route.body, await readJson(incoming, clock), 'body');
      const reply = await route.handle({ params, query, body, principal, incoming, outgoing });
      if (reply !== undefined) sendReply(outgoing, reply);
    } catch (cause) {
      const problem = problemOf(cause, log);
      // A stream that has begun can only be cut: its reader sees that the last event is missing.
      if (outgoing.headersSent) outgoing.destroy();
      else sendProblem(outgoing, problem);
    }
    return RESPONSE_ALREADY_SENT;
  };

  const methods = new Map<string, string[]>();
  for (const route of routes) {
    app.on(route.method, route.path, (c) => serve(route, c));
    methods.set(route.path, [...(methods.get(route.path) ?? []), route.method]);
  }
  for (const [path, allowed] of methods) {
    app.all(path, (c) => {
      const problem = problemOf(
        new PalyraError('method_not_allowed', `${path} takes ${allowed.join(' and ')}, not ${c.req.method}`),
        log,
      );
      sendProblem(c.env.outgoing, { ...problem, headers: { allow: allowed.join(', ') } });
      return RESPONSE_ALREADY_SENT;
    });
  }
  app.notFound((c) => {
    const cause = new PalyraError('not_found', `there is nothing at ${c.req.path}`, { hint: 'see docs/api' });
    sendProblem(c.env.outgoing, problemOf(cause, log));
    return RESPONSE_ALREADY_SENT;
  });
  return app;
}
