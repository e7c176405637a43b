import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../../src/kernel/clock.ts';
import { PalyraError } from '../../../../src/kernel/errors.ts';
import { LIMITS } from '../../../../src/kernel/limits.ts';
import { IdentityStore } from '../../../../src/node/identity-store.ts';
import { firstStream } from '../../../../src/node/pairing/first-stream.ts';
import { machineFacts } from '../../../../src/node/pairing/machine-facts.ts';
import { recoverIdentity } from '../../../../src/node/pairing/recover-identity.ts';
import { PairingDaemon } from '../../../support/pairing-daemon.ts';
import { APPROVER } from '../../../support/pairing-home.ts';
import { PairingMachine } from '../../../support/pairing-machine.ts';

test('W17 a machine whose certificate ran out comes back by its key, after the grace by an approver', async (t) => {
  const daemon = await PairingDaemon.start(t);
  const machine = new PairingMachine(t, daemon.schema);
  const paired = machine.pair(await daemon.pin(), daemon.address);
  await daemon.approveNext();
  const { deviceId } = await paired;
  const waited: string[] = [];
  const recover = () =>
    recoverIdentity({
      nodeHome: machine.nodeHome,
      schema: daemon.schema,
      clock: systemClock,
      signal: machine.stop.signal,
      progress: { waiting: (requestId) => void waited.push(requestId), disconnected: () => undefined },
    });
  const stream = (identity: Awaited<ReturnType<typeof recover>>) =>
    firstStream({
      schema: daemon.schema,
      address: daemon.address,
      identity,
      facts: machineFacts('web-1'),
      offers: [],
      clock: systemClock,
      signal: machine.stop.signal,
    });
  const endAt = (unixMs: number) =>
    daemon.store.write((tx) => tx.updateTable('certificates').set({ not_after_unix_ms: unixMs }).execute());
  const now = systemClock.now();

  await endAt(now - 1_000);
  const before = new IdentityStore(machine.nodeHome).load();
  const fresh = await recover();
  assert.notEqual(fresh.certificate.serialNumber, before?.certificate.serialNumber);
  assert.equal((await stream(fresh)).name, 'web-1');
  assert.deepEqual(waited, [], 'nobody was asked');

  await endAt(now - LIMITS.recoveryGraceMs - 1_000);
  const late = recover();
  const request = await daemon.approveNext();
  assert.equal(request.deviceId, deviceId);
  assert.equal(request.knownKey, true);
  const back = await late;
  await stream(back);
  assert.equal((await daemon.pairing.showRequest(request.requestId)).state, 'completed');

  await daemon.identity.revoke(deviceId as never, APPROVER, 'stolen');
  await assert.rejects(recover(), (cause) => cause instanceof PalyraError && cause.code === 'device_revoked');
});
