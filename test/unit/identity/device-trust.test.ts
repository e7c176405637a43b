import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TrustVerb } from '../../../src/identity/device-trust.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';
import type { DeviceId } from '../../../src/kernel/ids.ts';
import type { Trust } from '../../../src/store/schema.ts';
import { IdentityHome, OPERATOR, type Paired } from '../../support/identity-home.ts';
import { rounds } from '../../support/long.ts';

type Event = TrustVerb | 'register' | 'restart';
const EVENTS: readonly Event[] = ['suspend', 'reinstate', 'revoke', 'remove', 'register', 'restart'];

// Written down apart from the code: what each event makes of each trust, or the error it gives.
const EXPECTED: Readonly<Record<Trust, Readonly<Record<Exclude<Event, 'restart'>, Trust | `!${string}`>>>> = {
  enrolling: {
    suspend: '!conflict',
    reinstate: '!conflict',
    revoke: 'revoked',
    remove: 'removed',
    register: 'trusted',
  },
  trusted: { suspend: 'suspended', reinstate: 'trusted', revoke: 'revoked', remove: 'removed', register: 'trusted' },
  suspended: {
    suspend: 'suspended',
    reinstate: 'trusted',
    revoke: 'revoked',
    remove: 'removed',
    register: '!device_suspended',
  },
  revoked: {
    suspend: '!conflict',
    reinstate: '!conflict',
    revoke: 'revoked',
    remove: 'removed',
    register: '!device_revoked',
  },
  removed: {
    suspend: '!node_not_found',
    reinstate: '!node_not_found',
    revoke: '!node_not_found',
    remove: 'removed',
    register: '!device_removed',
  },
};

const DONE: Readonly<Record<Exclude<Event, 'restart'>, string>> = {
  suspend: 'device.suspended',
  reinstate: 'device.reinstated',
  revoke: 'device.revoked',
  remove: 'device.removed',
  register: 'device.enrolled',
};

const act = (home: IdentityHome, event: Event, { deviceId, row }: Paired): Promise<unknown> => {
  switch (event) {
    case 'restart':
      return home.restart();
    case 'register':
      return home.identity.completeEnrolment(deviceId, row.fingerprint);
    case 'suspend':
    case 'reinstate':
    case 'revoke':
    case 'remove':
      return home.identity[event](deviceId, OPERATOR, 'because');
  }
};

test('trust moves as its table says, whatever the order of events; store, map, audit and listeners agree', async (t) => {
  const home = await IdentityHome.make(t);
  let told: Trust[] = [];
  const listen = () => home.identity.onTrustChange((_id, trust) => told.push(trust));
  listen();
  let devices = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...EVENTS), { maxLength: 8 }), async (events) => {
      devices += 1;
      const paired = await home.enrolling(`n${devices}`);
      let model: Trust = 'enrolling';
      const moves: Trust[] = [];
      const audited = (await home.audited()).length;
      const done: string[] = [];
      told = [];
      for (const event of events) {
        const error = await act(home, event, paired).then(
          () => undefined,
          (cause: unknown) => cause,
        );
        if (event === 'restart') {
          listen();
          assert.equal(error, undefined);
        } else {
          const expected: string = EXPECTED[model][event];
          const code = error instanceof PalyraError ? `!${error.code}` : error;
          assert.equal(code, expected.startsWith('!') ? expected : undefined, `${event} while ${model}`);
          if (!expected.startsWith('!') && expected !== model) {
            model = expected as Trust;
            moves.push(model);
            done.push(DONE[event]);
          }
        }
        assert.equal((await home.device(paired.deviceId)).trust, model);
        const known = home.identity.deviceOf(paired.row.fingerprint);
        assert.equal(known?.trust, model === 'removed' ? undefined : model);
      }
      assert.deepEqual(told, moves);
      assert.deepEqual((await home.audited()).slice(audited), done);
    }),
    { numRuns: rounds(60, 1_000) },
  );
});

test('twenty at once revoke once: one move, one audit row, one word to the listeners', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, row } = await home.trusted();
  const told: string[] = [];
  home.identity.onTrustChange((id, trust, reason) => {
    // Whoever hears it finds the map changed already.
    told.push(`${id === deviceId} ${trust} ${reason} ${home.identity.deviceOf(row.fingerprint)?.trust}`);
  });
  await Promise.all(Array.from({ length: 20 }, () => home.identity.revoke(deviceId, OPERATOR, 'lost')));
  assert.deepEqual(told, ['true revoked lost revoked']);
  assert.deepEqual(await home.audited(), ['device.enrolled', 'device.revoked']);
  const device = await home.device(deviceId);
  assert.deepEqual([device.trust_reason, device.trust_changed_at_unix_ms], ['lost', home.clock.now()]);
});

test('a device revoked in the same turn as it registers ends revoked', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId, row } = await home.enrolling();
  const fates = await Promise.allSettled([
    home.identity.completeEnrolment(deviceId, row.fingerprint),
    home.identity.revoke(deviceId, OPERATOR, 'wrong machine'),
  ]);
  assert.deepEqual(
    fates.map(({ status }) => status),
    ['fulfilled', 'fulfilled'],
  );
  assert.equal((await home.device(deviceId)).trust, 'revoked');
  assert.equal(home.identity.deviceOf(row.fingerprint)?.trust, 'revoked');
  const other = await home.enrolling('b');
  const [, late] = await Promise.allSettled([
    home.identity.revoke(other.deviceId, OPERATOR, 'wrong machine'),
    home.identity.completeEnrolment(other.deviceId, other.row.fingerprint),
  ]);
  assert.equal(late.status === 'rejected' && (late.reason as PalyraError).code, 'device_revoked');
  assert.equal(home.identity.deviceOf(other.row.fingerprint)?.trust, 'revoked');
});

test('an unknown device is not found', async (t) => {
  const home = await IdentityHome.make(t);
  for (const verb of ['revoke', 'suspend', 'reinstate', 'remove'] as const) {
    await assert.rejects(home.identity[verb](home.newId() as DeviceId, OPERATOR, ''), { code: 'node_not_found' });
  }
});

test('a removed device lets go of its key, so that the machine can pair as a new one', async (t) => {
  const home = await IdentityHome.make(t);
  const first = await home.trusted();
  await home.identity.leave(first.deviceId, 'unpaired', '192.0.2.7');
  // A late word about a certificate of it brings nothing back.
  home.identity.remember(first.deviceId, 'trusted', first.row);
  assert.equal(home.identity.deviceOf(first.row.fingerprint), undefined);
  const second = await home.enrolling('again', first.key);
  assert.notEqual(second.deviceId, first.deviceId);
  assert.equal(await home.identity.completeEnrolment(second.deviceId, second.row.fingerprint), true);
  await home.restart();
  assert.equal(home.identity.deviceOf(first.row.fingerprint), undefined);
  assert.equal(home.identity.deviceOf(second.row.fingerprint)?.trust, 'trusted');
});

test('what a listener was told stops when it asks to', async (t) => {
  const home = await IdentityHome.make(t);
  const { deviceId } = await home.trusted();
  let calls = 0;
  const stop = home.identity.onTrustChange(() => {
    calls += 1;
  });
  await home.identity.suspend(deviceId, OPERATOR, 'a');
  stop();
  await home.identity.reinstate(deviceId, OPERATOR, 'b');
  assert.equal(calls, 1);
});
