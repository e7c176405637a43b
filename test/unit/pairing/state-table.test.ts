import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { PalyraError } from '../../../src/kernel/errors.ts';
import type { DeviceId } from '../../../src/kernel/ids.ts';
import type { PairingState } from '../../../src/store/schema.ts';
import { APPROVER, PairingHome } from '../../support/pairing-home.ts';

const codeOf = (cause: unknown): string => (cause instanceof PalyraError ? cause.code : String(cause));
const HOUR = 3_600_000;

// What each event does to the state of a request, and what its caller is told: the table of security.md 2.3.
type Event = 'approve' | 'reject' | 'fetch' | 'register' | 'withdraw' | 'hour' | 'day';
const EVENTS: readonly Event[] = ['approve', 'reject', 'fetch', 'register', 'withdraw', 'hour', 'day'];

interface Model {
  state: PairingState;
  certificate: boolean;
  /** Hours since it came into this state. */
  age: number;
}

function expected(model: Model, event: Event): string {
  const { state } = model;
  const over = state === 'expired' || state === 'rejected' || state === 'completed';
  const move = (to: PairingState): string => {
    model.state = to;
    model.age = 0;
    return 'ok';
  };
  switch (event) {
    case 'approve':
      if (state === 'pending_approval') return move('approved');
      if (state === 'approved' || state === 'completed') return 'ok';
      return state === 'expired' ? 'pairing_request_closed' : 'approval_already_decided';
    case 'reject':
      if (state === 'pending_approval') return move('rejected');
      if (state === 'rejected') return 'ok';
      return state === 'expired' ? 'pairing_request_closed' : 'approval_already_decided';
    case 'withdraw':
      if (state === 'approved') return move('rejected');
      if (state === 'rejected') return 'ok';
      return over ? 'pairing_request_closed' : 'conflict';
    case 'fetch':
      if (state === 'approved') {
        model.certificate = true;
        return 'ok';
      }
      return {
        pending_approval: 'conflict',
        rejected: 'pairing_rejected',
        expired: 'approval_expired',
        completed: 'pairing_request_closed',
      }[state];
    case 'register':
      if (!model.certificate) return 'skipped';
      if (state === 'approved') return move('completed');
      return state === 'completed' ? 'ok' : 'device_removed';
    case 'hour':
    case 'day': {
      model.age += event === 'hour' ? 1 : 24;
      const limit = state === 'pending_approval' ? 1 : 24;
      if (!over && model.age >= limit) model.state = 'expired';
      return 'ok';
    }
  }
}

test('row 20: W12: whatever happens in whatever order, a request follows its table', async (t) => {
  const home = await PairingHome.make(t);
  const { prover: template, completed: made } = await home.requested();
  const { store, identity, clock, newId } = home.home;
  const row = await store.reader
    .selectFrom('pairing_requests')
    .selectAll()
    .where('request_id', '=', made.requestId)
    .executeTakeFirstOrThrow();
  const approval = await store.reader.selectFrom('approvals').selectAll().executeTakeFirstOrThrow();
  // Orders of length 5 start from a fresh request each; the handshake before it is not what is looked at.
  const fresh = async () => {
    const ids = { request_id: newId(), session_id: newId(), approval_id: newId(), device_id: newId() as DeviceId };
    const now = clock.now();
    const times = { created_at_unix_ms: now, expires_at_unix_ms: now + HOUR };
    await store.write(async (tx) => {
      // The key is that of the template; it belongs to nobody now.
      await tx
        .updateTable('devices')
        .set({ spki_sha256: newId() })
        .where('spki_sha256', '=', row.spki_sha256)
        .execute();
      await tx
        .updateTable('pairing_requests')
        .set({ state: 'expired' })
        .where('state', 'in', ['pending_approval', 'approved'])
        .execute();
      await tx
        .insertInto('pairing_requests')
        .values({ ...row, ...ids, ...times })
        .execute();
      await tx
        .insertInto('approvals')
        .values({ ...approval, approval_id: ids.approval_id, subject_id: ids.request_id, ...times })
        .execute();
    });
    return ids;
  };
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...EVENTS), { minLength: 5, maxLength: 5 }), async (events) => {
      const { request_id: id, device_id: deviceId, approval_id: approvalId } = await fresh();
      const model: Model = { state: 'pending_approval', certificate: false, age: 0 };
      let print = '';
      const acts: Record<Event, () => Promise<unknown>> = {
        approve: () => home.pairing.approve(id, ['echo'], APPROVER, null),
        reject: () => home.pairing.reject(id, APPROVER, null),
        withdraw: () => home.pairing.withdraw(id, APPROVER, null),
        fetch: async () => {
          const { chainDer } = await home.pairing.fetch(await template.proof('FetchDeviceCertificate', id));
          print = new X509Certificate(chainDer[0] ?? Buffer.alloc(0)).fingerprint256;
        },
        register: async () => print !== '' && identity.completeEnrolment(deviceId, print),
        hour: async () => clock.advance(HOUR),
        day: async () => clock.advance(24 * HOUR),
      };
      for (const event of events) {
        const before = model.state;
        const told = expected(model, event);
        if (told === 'skipped') continue;
        // Registering after time has run out, before anybody looked: the timer has ended it.
        if (event === 'register') await home.pairing.listRequests({}, null, 1);
        const got = await acts[event]().then(() => 'ok', codeOf);
        assert.equal(got, told, `${before} --${event}--> of ${events.join(', ')}`);
        const record = await home.pairing.showRequest(id);
        assert.equal(record.state, model.state, `${before} --${event}--> of ${events.join(', ')}`);
        seen.add(`${before} --${event}--> ${model.state}`);
        const { state: decided } = await store.reader
          .selectFrom('approvals')
          .select('state')
          .where('approval_id', '=', approvalId)
          .executeTakeFirstOrThrow();
        if (model.state === 'pending_approval') assert.equal(decided, 'pending');
        else assert.notEqual(decided, 'pending', 'a request that is decided has a decided approval');
        const trusted = identity.deviceOf(print)?.trust;
        if (print !== '') assert.equal(trusted, { approved: 'enrolling', completed: 'trusted' }[model.state as string]);
      }
    }),
    {
      numRuns: 150,
      examples: [
        [['approve', 'fetch', 'register', 'reject', 'withdraw']],
        [['approve', 'fetch', 'day', 'register', 'approve']],
        [['hour', 'approve', 'reject', 'fetch', 'withdraw']],
      ],
    },
  );
  t.diagnostic(`${seen.size} kinds of steps`);
  assert.ok(seen.has('approved --register--> completed') && seen.has('approved --day--> expired'));
});
