import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { OperatorClient } from '../../../src/cli/operator-client.ts';
import {
  codesSchema,
  mintedCodeSchema,
  nodeSchema,
  nodesSchema,
  pairingRequestSchema,
  pairingRequestsSchema,
  versionSchema,
} from '../../../src/operator/view-schemas.ts';
import { OperatorDaemon } from '../../support/operator-daemon.ts';
import { ScriptedNode } from '../../support/scripted-node.ts';

let daemon: OperatorDaemon;
let admin: OperatorClient;
before(async () => {
  daemon = await OperatorDaemon.start();
  admin = daemon.client();
});
after(() => daemon.stop());

test('nodes are listed by page, filtered, shown by name and revoked with a reason', async () => {
  const ids = [await daemon.addDevice('web-1'), await daemon.addDevice('web-2'), await daemon.addDevice('db-1')];
  new ScriptedNode(ids[0] as never, async () => undefined).connect(daemon.dispatcher);
  const first = nodesSchema.parse(await admin.call('GET', '/api/v1/nodes', { query: { limit: 2 } }));
  assert.equal(first.nodes.length, 2);
  const rest = nodesSchema.parse(
    await admin.call('GET', '/api/v1/nodes', { query: { limit: 2, cursor: first.next_cursor ?? '' } }),
  );
  assert.deepEqual([...first.nodes, ...rest.nodes].map(({ device_id: id }) => id).sort(), [...ids].sort());
  assert.equal(rest.next_cursor, null);
  const web = nodesSchema.parse(
    await admin.call('GET', '/api/v1/nodes', { query: { search: 'web', presence: 'offline' } }),
  );
  assert.equal(web.nodes.length, 2);
  const one = nodeSchema.parse(await admin.call('GET', `/api/v1/nodes/${encodeURIComponent('web-1')}`));
  assert.deepEqual(one.capabilities[0], { name: 'echo', available: true, unavailable_reason: null, state: 'granted' });
  const revoked = nodeSchema.parse(await admin.call('POST', '/api/v1/nodes/db-1/revoke', { body: { reason: 'sold' } }));
  assert.equal(revoked.trust, 'revoked');
  assert.match(daemon.revoked.join(), new RegExp(`^${ids[2]} by operator:[0-9a-z]{10}: sold$`));
});

test('W4: a PIN is in the answer that makes it and in no list', async () => {
  const minted = mintedCodeSchema.parse(
    await admin.call('POST', '/api/v1/pairing/codes', {
      body: { ttl_ms: 60_000, name: 'web-3', labels: { role: 'web' } },
    }),
  );
  const codes = codesSchema.parse(await admin.call('GET', '/api/v1/pairing/codes'));
  assert.ok(!JSON.stringify(codes).includes(minted.pin));
  assert.deepEqual(
    codes.codes.map(({ code_id: id, tries_left: tries, name }) => [id, tries, name]),
    [[minted.code_id, 5, 'web-3']],
  );
  await admin.call('DELETE', `/api/v1/pairing/codes/${minted.code_id}`);
  assert.deepEqual(codesSchema.parse(await admin.call('GET', '/api/v1/pairing/codes')).codes, []);
});

test('W15: a pairing request shows what to compare; an approval names each capability', async () => {
  const { requestId } = daemon.pairing.add();
  const page = pairingRequestsSchema.parse(
    await admin.call('GET', '/api/v1/pairing/requests', { query: { state: 'pending_approval' } }),
  );
  assert.equal(page.requests[0]?.short_string, '123456');
  const shown = pairingRequestSchema.parse(await admin.call('GET', `/api/v1/pairing/requests/${requestId}`));
  assert.deepEqual(shown.grantable_capabilities, ['echo', 'filesystem.read']);
  await assert.rejects(
    admin.call('POST', `/api/v1/pairing/requests/${requestId}/approve`, { body: {} }),
    (cause: { code?: string }) => cause.code === 'invalid_argument',
  );
  const approver = daemon.client(await daemon.addOperator('approver'));
  const decided = pairingRequestSchema.parse(
    await approver.call('POST', `/api/v1/pairing/requests/${requestId}/approve`, { body: { capabilities: ['echo'] } }),
  );
  assert.equal(decided.state, 'approved');
  assert.deepEqual(
    daemon.pairing.decisions.map(({ grant }) => grant),
    [['echo']],
  );
  assert.match(decided.decided_by ?? '', /^operator:[0-9a-z]{10}$/, 'the authenticated name, not what a caller writes');
});

test('the version names the oldest client that works with it', async () => {
  assert.equal(versionSchema.parse(await admin.call('GET', '/api/v1/version')).api, 'v1');
});
