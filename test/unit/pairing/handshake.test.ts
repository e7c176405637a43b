import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { PalyraError } from '../../../src/kernel/errors.ts';
import type { PairingRequestRow } from '../../../src/store/schema.ts';
import { APPROVER, PairingHome } from '../../support/pairing-home.ts';

const failsWith = (code: string) => (cause: unknown) => cause instanceof PalyraError && cause.code === code;

const requestsOf = (home: PairingHome): Promise<PairingRequestRow[]> =>
  home.home.store.reader.selectFrom('pairing_requests').selectAll().execute();

const triesLeft = async (home: PairingHome): Promise<number> => {
  const { rows } = await home.pairing.listCodes(null, 10);
  return rows[0]?.triesLeft ?? -1;
};

test('an honest machine gets a request that both ends know by the same string', async (t) => {
  const home = await PairingHome.make(t);
  const { prover, completed } = await home.requested();
  assert.equal(completed.state, 'pending_approval');
  const record = await home.pairing.showRequest(completed.requestId);
  assert.equal(record.shortString, prover.shortString);
  assert.match(record.shortString, /^\d{6}$/);
  assert.deepEqual(record.requestedCapabilities, ['echo', 'shell.execute']);
  assert.equal(record.sourceAddress, '192.0.2.7');
  assert.equal(record.knownKey, false);
  assert.equal(record.codeCreatedBy, APPROVER.id);
  // The same completion is the same request, from memory and, after a restart, from the store.
  assert.deepEqual(await prover.complete(), completed);
  await home.restart();
  assert.deepEqual(await prover.complete(), completed);
  await assert.rejects(prover.complete({ confirmP: randomBytes(32) }), failsWith('pairing_session_not_found'));
  assert.deepEqual((await home.pairing.listCodes(null, 10)).rows, [], 'a used code is gone');
  assert.deepEqual(await home.home.audited(), ['pairing.requested']);
});

test('row 1: a CA in the middle is in no confirmation, and one try is gone', async (t) => {
  const home = await PairingHome.make(t);
  const prover = await home.prover(await home.pin(), { caSha256: randomBytes(32) });
  await assert.rejects(prover.exchange(), failsWith('pairing_code_invalid'));
  assert.equal(await triesLeft(home), 4);
  assert.deepEqual(await requestsOf(home), []);
});

test('row 4: W3: the try is charged before the answer, and the sixth guess is refused', async (t) => {
  const home = await PairingHome.make(t);
  const code = await home.pin();
  for (let guess = 1; guess <= 5; guess += 1) {
    const prover = await home.prover(code);
    await prover.begin();
    // Dropped before Complete: the try is gone all the same.
    await prover.exchangeAnyhow();
    assert.equal(await triesLeft(home), 5 - guess);
  }
  const sixth = await home.prover(code);
  const earlier = await home.prover(code);
  await assert.rejects(sixth.exchange(), failsWith('pairing_code_invalid'), 'also with the right PIN');
  await assert.rejects(earlier.pair(), failsWith('pairing_code_invalid'));
  assert.deepEqual(await requestsOf(home), []);
  const exhausted = await home.home.store.reader
    .selectFrom('audit_rows')
    .select(['action', 'source'])
    .where('action', '=', 'pairing_code.exhausted')
    .execute();
  assert.deepEqual(
    exhausted.map(({ source }) => source),
    ['192.0.2.7'],
  );
});

test('row 4: whoever has the fifth try may be right', async (t) => {
  const home = await PairingHome.make(t);
  const code = await home.pin();
  const honest = await home.prover(code);
  await honest.begin();
  for (let guess = 1; guess <= 4; guess += 1) {
    const prover = await home.prover(code);
    await prover.begin();
    await prover.exchangeAnyhow();
  }
  assert.equal((await honest.pair()).state, 'pending_approval');
});

test('row 5: of 100 exchanges at once exactly 5 get a share', async (t) => {
  const home = await PairingHome.make(t);
  const code = await home.pin();
  const provers = await Promise.all(Array.from({ length: 100 }, () => home.prover(code)));
  for (const prover of provers) await prover.begin();
  const exchange = async (prover: (typeof provers)[number]): Promise<string> => {
    for (;;) {
      try {
        await prover.exchangeAnyhow();
        return 'share';
      } catch (cause) {
        assert.ok(cause instanceof PalyraError);
        // The queue of the thread is full: nothing was charged, so it is asked again.
        if (cause.code !== 'too_many_requests') return cause.code;
        assert.ok(Number(cause.details?.['retry_after_ms']) > 0);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  };
  const fates = await Promise.all(provers.map(exchange));
  assert.equal(fates.filter((fate) => fate === 'share').length, 5);
  assert.equal(fates.filter((fate) => fate === 'pairing_code_invalid').length, 95);
});

test('row 6: of two machines with one PIN at the same moment one gets a request', async (t) => {
  const home = await PairingHome.make(t);
  for (const [round, code] of (await home.pins(50)).entries()) {
    const pair = await Promise.all([home.prover(code), home.prover(code)]);
    await Promise.all(pair.map((prover) => prover.exchange()));
    const fates = await Promise.allSettled(pair.map((prover) => prover.complete()));
    const lost = fates.filter((fate) => fate.status === 'rejected');
    assert.equal(lost.length, 1);
    assert.ok(lost.every(({ reason }) => failsWith('pairing_code_invalid')(reason)));
    assert.equal((await requestsOf(home)).length, round + 1);
  }
});

test('row 7: a selector that no code has answers as one that is in use', async (t) => {
  const home = await PairingHome.make(t);
  const live = await home.pin();
  const dead = { ...live, selector: live.selector === '00' ? '01' : '00' };
  const outcome = async (code: typeof live) => {
    const prover = await home.prover(code);
    const begun = await prover.begin();
    const answer = await prover.exchangeAnyhow();
    const refused = await prover.complete().then(
      () => 'accepted',
      (cause: PalyraError) => `${cause.code} ${cause.message} ${cause.hint}`,
    );
    const again = await (await home.prover(code)).begin();
    return {
      shape: [begun.salt.length, begun.daemonNonce.length, answer.shareV.length, answer.confirmV.length],
      sameSalt: again.salt.equals(begun.salt),
      refused,
    };
  };
  assert.deepEqual(await outcome(dead), await outcome(live));
  // Their tries end alike, too: four are left of each.
  const sixths = async (code: typeof live) => {
    const provers = await Promise.all(Array.from({ length: 5 }, () => home.prover(code)));
    const salts = new Set<string>();
    for (const prover of provers) salts.add((await prover.begin()).salt.toString('hex'));
    const fates: string[] = [];
    for (const prover of provers) {
      fates.push(
        await prover.exchangeAnyhow().then(
          () => 'share',
          (cause: PalyraError) => cause.code,
        ),
      );
    }
    const after = await (await home.prover(code)).begin();
    return { salts: salts.size, fates, saltChanged: !salts.has(after.salt.toString('hex')) };
  };
  const expected = { salts: 1, fates: ['share', 'share', 'share', 'share', 'pairing_code_invalid'], saltChanged: true };
  assert.deepEqual(await sixths(live), expected);
  assert.deepEqual(await sixths(dead), expected);
});

test('row 7: time does not tell them apart either', async (t) => {
  const home = await PairingHome.make(t);
  const selectors = { live: '', dead: '' };
  const times: Record<keyof typeof selectors, number[]> = { live: [], dead: [] };
  for (let round = 0; round < 4; round += 1) {
    const live = await home.pin();
    const taken = new Set((await home.pairing.listCodes(null, 100)).rows.map(({ codeId }) => codeId));
    assert.ok(taken.size > 0);
    const rows = await home.home.store.reader.selectFrom('pairing_codes').select('selector').execute();
    const used = new Set(rows.map(({ selector }) => selector));
    const free = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0')).find((text) => !used.has(text));
    for (const [kind, code] of [
      ['live', live],
      ['dead', { ...live, selector: free ?? '' }],
    ] as const) {
      for (let guess = 0; guess < 4; guess += 1) {
        const prover = await home.prover(code);
        await prover.begin();
        const start = performance.now();
        await prover.exchangeAnyhow();
        times[kind].push(performance.now() - start);
      }
    }
  }
  const median = (all: number[]): number => all.sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;
  const [live, dead] = [median(times.live), median(times.dead)];
  t.diagnostic(`median of an exchange: live ${live.toFixed(2)} ms, dead ${dead.toFixed(2)} ms`);
  // Coarse: an exchange that is not computed would be a factor of 10.
  assert.ok(Math.max(live, dead) / Math.min(live, dead) < 2, `live ${live} ms, dead ${dead} ms`);
});

test('row 9: a share that is no good costs a try and nothing else', async (t) => {
  const home = await PairingHome.make(t);
  const code = await home.pin();
  for (const [share, left] of [
    [Buffer.alloc(65), 4],
    [Buffer.alloc(64, 4), 3],
    [Buffer.concat([Buffer.of(4), randomBytes(64)]), 2],
  ] as const) {
    const prover = await home.prover(code);
    const { sessionId } = await prover.begin();
    const caller = { address: '192.0.2.8', source: '192.0.2.8' };
    await assert.rejects(home.pairing.exchange(sessionId, share, caller), failsWith('invalid_argument'));
    assert.equal(await triesLeft(home), left);
    // The same share again is the same answer and no further try.
    await assert.rejects(home.pairing.exchange(sessionId, share, caller), failsWith('invalid_argument'));
    assert.equal(await triesLeft(home), left);
  }
  assert.equal((await (await home.prover(code)).pair()).state, 'pending_approval');
});

test('row 10: two different shares end the session', async (t) => {
  const home = await PairingHome.make(t);
  const prover = await home.prover(await home.pin());
  await prover.exchange();
  assert.equal(await triesLeft(home), 4);
  await assert.rejects(prover.exchangeAnyhow(), failsWith('pairing_session_not_found'));
  await assert.rejects(prover.complete(), failsWith('pairing_session_not_found'), 'the session is gone');
  assert.equal(await triesLeft(home), 4);
  assert.deepEqual(await requestsOf(home), []);
});

test('row 12: a nonce that was not committed to is refused', async (t) => {
  const home = await PairingHome.make(t);
  const prover = await home.prover(await home.pin());
  await prover.exchange();
  await assert.rejects(prover.complete({ sasNonce: randomBytes(32) }), failsWith('invalid_argument'));
  await assert.rejects(prover.complete(), failsWith('pairing_session_not_found'));
  const other = await home.prover(await home.pin());
  await other.exchange();
  await assert.rejects(other.complete({ helloBytes: randomBytes(40) }), failsWith('invalid_argument'));
  assert.deepEqual(await requestsOf(home), []);
});

test('the same begin is the same session, charged once', async (t) => {
  const home = await PairingHome.make(t);
  const prover = await home.prover(await home.pin());
  const first = await prover.begin();
  const second = await prover.begin();
  assert.equal(second.sessionId, first.sessionId);
  assert.ok(second.daemonNonce.equals(first.daemonNonce));
  home.home.clock.advance(121_000);
  assert.notEqual((await prover.begin()).sessionId, first.sessionId, 'a session lives two minutes');
});

test('row 11: who comes second with a stolen PIN is told that it is used', async (t) => {
  const home = await PairingHome.make(t);
  const code = await home.pin();
  const thief = await home.prover(code);
  const stolen = await thief.pair();
  const real = await home.prover(code);
  await assert.rejects(real.pair(), failsWith('pairing_code_invalid'));
  const record = await home.pairing.showRequest(stolen.requestId);
  assert.equal(record.shortString, thief.shortString);
  assert.equal((await home.pairing.reject(stolen.requestId, APPROVER, 'not mine')).state, 'rejected');
  const proof = await thief.proof('FetchDeviceCertificate', stolen.requestId);
  await assert.rejects(home.pairing.fetch(proof), failsWith('pairing_rejected'));
  const certificates = await home.home.store.reader.selectFrom('certificates').select('serial').execute();
  assert.deepEqual(certificates, []);
});
