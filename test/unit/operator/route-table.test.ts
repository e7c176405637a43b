import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import { makeApp } from '../../../src/operator/app.ts';
import { type Route, route } from '../../../src/operator/route.ts';
import { routeTable } from '../../../src/operator/route-table.ts';

const app = (routes: readonly Route[]) => makeApp({ routes } as never);
const fine = route({
  method: 'GET',
  path: '/x',
  role: 'viewer',
  summary: 'Say nothing.',
  response: 'nothing',
  handle: async () => ({}),
});

test('a route without a role fails at start', () => {
  app([fine]);
  const { role: _role, ...rest } = fine;
  assert.throws(() => app([rest as Route]), /GET \/x has no role/);
  assert.throws(() => app([{ ...fine, role: 'everybody' as never }]), /has no role/);
});

test('a path cannot be there twice: the second would never be reached', () => {
  assert.throws(() => app([fine, fine]), /twice/);
});

test('every route can be written down: a summary, and schemas that become JSON Schema', () => {
  for (const { method, path, summary, params, query, body, response } of routeTable({} as never)) {
    assert.match(summary, /^[A-Z].*\.$/, `${method} ${path}`);
    for (const schema of [params, query, body]) {
      if (schema !== undefined) assert.doesNotThrow(() => z.toJSONSchema(schema, { io: 'input' }), `${method} ${path}`);
    }
    if (typeof response !== 'string') assert.doesNotThrow(() => z.toJSONSchema(response, { io: 'output' }), path);
  }
});
