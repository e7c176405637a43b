import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { systemClock } from '../../../src/kernel/clock.ts';
import { PalyraError } from '../../../src/kernel/errors.ts';
import { ExchangeThread } from '../../../src/pairing/exchange-thread.ts';
import { proverFinish, proverShare, randomScalar, verifierPoint } from '../../../src/pake/spake2plus.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const failsWith = (code: string) => (cause: unknown) => cause instanceof PalyraError && cause.code === code;
const names = { context: Buffer.from('context'), idProver: 'p', idVerifier: 'v' };

test('the thread computes what the verifier of the exchange computes', async (t) => {
  const thread = new ExchangeThread(systemClock);
  t.after(() => thread.close());
  const [w0, w1] = [randomScalar(), randomScalar()];
  const share = proverShare(w0);
  const keys = await thread.respond({ names, verifier: { w0, l: verifierPoint(w1) }, shareP: share.shareP });
  const { confirmP, sharedKey } = proverFinish(names, { w0, w1 }, share, keys.shareV, keys.confirmV);
  assert.ok(confirmP.equals(keys.confirmP) && sharedKey.equals(keys.sharedKey));
  const bad = { names, verifier: { w0, l: verifierPoint(w1) }, shareP: randomBytes(65) };
  await assert.rejects(thread.respond(bad), failsWith('invalid_argument'));
});

test('a fault ends the thread and those who wait for it, and the next exchange starts another', async (t) => {
  const thread = new ExchangeThread(systemClock);
  t.after(() => thread.close());
  const verifier = { w0: randomScalar(), l: verifierPoint(randomScalar()) };
  const { shareP } = proverShare(verifier.w0);
  const broken = thread.respond({ names, verifier: { ...verifier, w0: Buffer.alloc(32) }, shareP });
  const behind = thread.respond({ names, verifier, shareP });
  await assert.rejects(broken, /not a scalar/);
  await assert.rejects(behind, /not a scalar/);
  assert.equal((await thread.respond({ names, verifier, shareP })).shareV.length, 65);
});

test('row 35: the queue has an end, and machines with tokens never take all of it', () => {
  const thread = new ExchangeThread(systemClock);
  const tokens = Array.from({ length: 24 }, () => thread.reserve('token'));
  assert.throws(() => thread.reserve('token'), failsWith('too_many_requests'));
  const pins = Array.from({ length: 8 }, () => thread.reserve('pin'));
  assert.throws(() => thread.reserve('pin'), failsWith('too_many_requests'));
  for (const release of [...tokens, ...pins]) release();
  pins[0]?.();
  assert.equal(Array.from({ length: 32 }, () => thread.reserve('pin')).length, 32);
  assert.throws(() => thread.reserve('pin'), failsWith('too_many_requests'), 'a place is given back once');
});

test('a thread that nobody needs goes, and the next exchange has one again', async (t) => {
  const clock = new FakeClock(0);
  const thread = new ExchangeThread(clock);
  t.after(() => thread.close());
  const verifier = { w0: randomScalar(), l: verifierPoint(randomScalar()) };
  const { shareP } = proverShare(verifier.w0);
  await thread.respond({ names, verifier, shareP });
  assert.equal(thread.isRunning, true);
  clock.advance(60_000);
  assert.equal(thread.isRunning, false);
  assert.equal((await thread.respond({ names, verifier, shareP })).shareV.length, 65);
  // In use again: the timer of before must not take it away.
  const busy = thread.respond({ names, verifier, shareP });
  clock.advance(60_000);
  assert.equal((await busy).shareV.length, 65);
});
