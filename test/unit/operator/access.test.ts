import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { routeTable } from '../../../src/operator/route-table.ts';
import type { Role } from '../../../src/store/schema.ts';
import { OperatorDaemon } from '../../support/operator-daemon.ts';
import { codeOf, rawCall } from '../../support/raw-http.ts';

/** Every row of the table, with something in the place of its parameters. */
const routes = routeTable({} as never).map(({ method, path, role }) => ({
  method,
  path: path.replace(/:request/, '01K8ZJ4Q2N7M5W3V1T9R6P8XYC').replace(/:\w+/, 'x1'),
  role,
}));

let daemon: OperatorDaemon;
before(async () => {
  daemon = await OperatorDaemon.start({ tcp: '127.0.0.1:0' });
});
after(() => daemon.stop());

const both = () => [
  { socketPath: daemon.listeners.socketPath, port: null },
  { socketPath: null, port: daemon.listeners.tcpPort },
];

test('row 40: without a token every route but health and hello answers 401, over both listeners', async () => {
  assert.ok(routes.length >= 20, 'the table was seen');
  const open: string[] = [];
  for (const where of both()) {
    for (const { method, path, role } of routes) {
      const answer = await rawCall({ ...where, method, path });
      if (role === 'public') open.push(path);
      else assert.equal(answer.status, 401, `${method} ${path}`);
    }
  }
  assert.deepEqual([...new Set(open)], ['/healthz', '/readyz', '/api/v1/hello']);
});

test('row 41: a foreign Host is refused on every route before anything else', async () => {
  const { tcpPort: port } = daemon.listeners;
  for (const host of ['evil.test', `evil.test:${port}`, '127.0.0.1', `127.0.0.1:${port}.evil.test`]) {
    for (const { method, path } of routes) {
      const answer = await rawCall({ port, method, path, token: daemon.adminToken, headers: { host } });
      assert.equal(answer.status, 421, `${host} ${method} ${path}`);
    }
  }
  for (const host of [`localhost:${port}`, `[::1]:${port}`, `127.0.0.1:${port}`]) {
    assert.equal((await rawCall({ port, path: '/healthz', headers: { host } })).status, 200, host);
  }
});

test('row 41: a page of another origin is refused, with a right token too', async () => {
  const { tcpPort: port } = daemon.listeners;
  const token = daemon.adminToken;
  const post = (headers: Record<string, string>) =>
    rawCall({ port, method: 'POST', path: '/api/v1/pairing/codes', token, headers, body: {} });
  assert.equal(codeOf(await post({ origin: 'http://evil.test' })), 'origin_not_allowed');
  assert.equal(codeOf(await post({ origin: 'null' })), 'origin_not_allowed');
  assert.equal(codeOf(await post({ 'sec-fetch-site': 'cross-site' })), 'origin_not_allowed');
  assert.equal(codeOf(await post({ 'sec-fetch-site': 'same-site' })), 'origin_not_allowed');
  assert.equal((await post({ origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' })).status, 201);
  const asForm = await post({ 'content-type': 'application/x-www-form-urlencoded' });
  assert.equal(codeOf(asForm), 'invalid_argument');
  const preflight = await rawCall({
    port,
    method: 'OPTIONS',
    path: '/api/v1/nodes',
    headers: { origin: 'http://evil.test' },
  });
  assert.equal(preflight.headers['access-control-allow-origin'], undefined);
});

describe('roles', () => {
  const SEES: Record<Role, readonly string[]> = {
    viewer: ['viewer'],
    operator: ['viewer', 'operator'],
    approver: ['viewer', 'approver'],
    service: ['viewer', 'operator'],
    admin: ['viewer', 'operator', 'approver', 'admin'],
  };
  for (const [role, sees] of Object.entries(SEES) as [Role, readonly string[]][]) {
    test(`W25: ${role} gets past the role check exactly of ${sees.join(', ')}`, async () => {
      const token = await daemon.addOperator(role);
      for (const { method, path, role: needed } of routes.filter((route) => route.role !== 'public')) {
        const answer = await rawCall({ socketPath: daemon.listeners.socketPath, method, path, token });
        const refused = answer.status === 403 && codeOf(answer) === 'permission_denied';
        assert.equal(refused, !sees.includes(needed), `${method} ${path} (${needed}): ${answer.status}`);
        assert.notEqual(answer.status, 401);
      }
    });
  }
});

test('row 43: tokens that are nearly right are refused, all in the same words', async () => {
  const fresh = await OperatorDaemon.start();
  try {
    const token = fresh.adminToken;
    const flip = (at: number) => token.slice(0, at) + (token[at] === 'a' ? 'b' : 'a') + token.slice(at + 1);
    const wrong = [
      token.slice(0, -1),
      `${token}a`,
      token.toUpperCase(),
      token.toLowerCase(),
      flip(token.length - 1),
      flip(30),
      flip(13),
      token.replace('_adm_', '_opr_'),
      ` ${token}`,
    ];
    const answers = await Promise.all(
      wrong.map((text) => rawCall({ socketPath: fresh.listeners.socketPath, path: '/api/v1/nodes', token: text })),
    );
    for (const answer of answers) assert.equal(answer.status, 401);
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
  } finally {
    await fresh.stop();
  }
});

test('row 43: after ten wrong credentials only wrong ones are told to wait', async () => {
  const fresh = await OperatorDaemon.start();
  try {
    const call = (token: string) => rawCall({ socketPath: fresh.listeners.socketPath, path: '/api/v1/nodes', token });
    const guess = (await fresh.addOperator('viewer')).replace(/.$/, '!');
    const statuses: number[] = [];
    for (let n = 0; n < 12; n += 1) statuses.push((await call(guess)).status);
    assert.deepEqual(statuses, [...Array(10).fill(401), 429, 429]);
    const told = await call(guess);
    assert.ok(Number(told.headers['retry-after']) > 0);
    assert.equal((await call(fresh.adminToken)).status, 200);
  } finally {
    await fresh.stop();
  }
});

test('expired and revoked tokens are refused at once', async () => {
  const expired = await daemon.addOperator('admin', { expiresAt: Date.now() - 1 });
  const where = { socketPath: daemon.listeners.socketPath, path: '/api/v1/version' };
  assert.equal((await rawCall({ ...where, token: expired })).status, 401);
  const token = await daemon.addOperator('viewer');
  assert.equal((await rawCall({ ...where, token })).status, 200);
  const id = token.split('_')[2] ?? '';
  await daemon.store.write((tx) =>
    tx.updateTable('operators').set({ revoked_at_unix_ms: 1 }).where('operator_id', '=', id).execute(),
  );
  daemon.listeners.authenticator.forget(id);
  assert.equal((await rawCall({ ...where, token })).status, 401);
});

test('a token that is narrowed to capabilities cannot ask for others', async () => {
  const token = await daemon.addOperator('service', { scopes: { capabilities: ['echo'] } });
  const ask = (capability: string) =>
    rawCall({
      socketPath: daemon.listeners.socketPath,
      method: 'POST',
      path: '/api/v1/requests',
      token,
      body: { node: 'nowhere', capability, input: {} },
    });
  assert.equal(codeOf(await ask('shell.execute')), 'permission_denied');
  assert.equal(codeOf(await ask('echo')), 'node_not_found');
  const odd = await daemon.addOperator('service', { scopes: { selector: 'os=linux' } });
  const answer = await rawCall({ socketPath: daemon.listeners.socketPath, path: '/api/v1/nodes', token: odd });
  assert.equal(codeOf(answer), 'permission_denied', 'a scope that is not understood never widens');
});

test('paths and methods that are not in the table do not exist', async () => {
  const call = (method: string, path: string) =>
    rawCall({ socketPath: daemon.listeners.socketPath, method, path, token: daemon.adminToken });
  const unknown = await call('GET', '/api/v1/secrets');
  assert.equal(unknown.status, 404);
  assert.equal(codeOf(unknown), 'not_found');
  const wrong = await call('DELETE', '/api/v1/nodes');
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.allow, 'GET');
  assert.equal((await call('GET', '/api/v1/nodes?frobnicate=1')).status, 400);
});
