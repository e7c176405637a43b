import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IssuingClock } from '../../../src/identity/issuing-clock.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const START = 1_800_000_000_000;
const MINUTE = 60_000;

test('time is measured from the latest that was known, so that the limit cannot be crept under', () => {
  const clock = new FakeClock(START);
  const issuing = new IssuingClock(clock);
  // One minute back after each minute: never more than the limit at once, and still noticed.
  for (let round = 1; round <= 2; round += 1) {
    clock.advance(MINUTE);
    clock.setWall(START - round * MINUTE);
    issuing.now();
  }
  clock.advance(MINUTE);
  clock.setWall(START - 3 * MINUTE);
  assert.throws(() => issuing.now(), { code: 'clock_skew', details: { behind_ms: 6 * MINUTE } });
  clock.setWall(START + 3 * MINUTE);
  assert.equal(issuing.now(), START + 3 * MINUTE);
});

test('a clock that was set forward is believed, and counts from then on', () => {
  const clock = new FakeClock(START);
  const issuing = new IssuingClock(clock);
  clock.setWall(START + 60 * MINUTE);
  assert.equal(issuing.now(), START + 60 * MINUTE);
  clock.setWall(START + 50 * MINUTE);
  assert.throws(() => issuing.now(), { code: 'clock_skew' });
});

test('what was signed before the start counts: a clock behind it is not believed', () => {
  const issuing = new IssuingClock(new FakeClock(START));
  issuing.knows(START + 4 * MINUTE);
  assert.equal(issuing.now(), START);
  issuing.knows(START + 6 * MINUTE);
  assert.throws(() => issuing.now(), { code: 'clock_skew', hint: /set the clock/ });
});
