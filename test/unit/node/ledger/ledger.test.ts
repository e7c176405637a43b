import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../../../src/kernel/clock.ts';
import { makeLogger } from '../../../../src/kernel/log.ts';
import { Ledger } from '../../../../src/node/ledger/ledger.ts';

const log = makeLogger({ level: 'error', component: 'test', fd: 2 });
const quiet = log.child({}, { level: 'silent' });

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'palyra-ledger-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const open = (folder: string, bootId = 'boot-1'): Ledger =>
  new Ledger({ folder, bootId, clock: systemClock, log: quiet });

const result = (id: string) => ({ request_id: id, outcome: 1, receipt_signature: Buffer.from([1, 2, 255]) });

test('what was begun and ended is there for the next process, bytes and all; what was acknowledged is not', (t) => {
  const folder = folderOf(t);
  const ledger = open(folder);
  ledger.started('A');
  ledger.process('A', { pid: 7, startTime: '99' });
  ledger.started('B');
  ledger.finished('B', result('B'));
  ledger.started('C');
  ledger.finished('C', result('C'));
  ledger.forget('C');
  ledger.close();
  const next = open(folder);
  assert.equal(next.id, ledger.id);
  assert.deepEqual([...next.items.keys()], ['A', 'B']);
  assert.deepEqual(next.items.get('A'), {
    requestId: 'A',
    result: undefined,
    processes: [{ pid: 7, startTime: '99' }],
  });
  assert.deepEqual(next.items.get('B')?.result, result('B'));
  assert.equal(statSync(join(folder, 'requests.jsonl')).mode & 0o777, 0o600);
  next.close();
});

test('after another start of the operating system the ledger has another id, and no process to end', (t) => {
  const folder = folderOf(t);
  const ledger = open(folder);
  ledger.started('A');
  ledger.process('A', { pid: 7, startTime: '99' });
  ledger.close();
  const next = open(folder, 'boot-2');
  assert.notEqual(next.id, ledger.id);
  assert.deepEqual(next.items.get('A')?.processes, []);
  next.close();
});

test('a last line that was cut off is not taken for anything; damage sets the file aside', (t) => {
  const folder = folderOf(t);
  const ledger = open(folder);
  ledger.started('A');
  ledger.close();
  appendFileSync(join(folder, 'requests.jsonl'), '{"t":"S","id":"B');
  const cut = open(folder);
  assert.deepEqual([...cut.items.keys()], ['A']);
  cut.close();
  writeFileSync(join(folder, 'requests.jsonl'), 'not a ledger\n');
  const fresh = open(folder);
  assert.notEqual(fresh.id, ledger.id);
  assert.equal(fresh.items.size, 0);
  const aside = readdirSync(folder).find((name) => name.includes('.damaged-'));
  assert.equal(readFileSync(join(folder, aside ?? ''), 'utf8'), 'not a ledger\n');
  fresh.close();
});

test('whatever is done in whatever order, the next process knows the same', (t) => {
  const folder = folderOf(t);
  const step = fc.tuple(fc.constantFrom('started', 'finished', 'forget', 'reopen'), fc.constantFrom('A', 'B', 'C'));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      rmSync(join(folder, 'requests.jsonl'), { force: true });
      let ledger = open(folder);
      for (const [verb, id] of steps) {
        if (verb === 'started') ledger.started(id);
        else if (verb === 'finished') ledger.finished(id, result(id));
        else if (verb === 'forget') ledger.forget(id);
        else {
          const before = structuredClone(
            [...ledger.items.entries()].map(([key, { result: it }]) => [key, it !== undefined]),
          );
          ledger.close();
          ledger = open(folder);
          assert.deepEqual(
            [...ledger.items.entries()].map(([key, { result: it }]) => [key, it !== undefined]),
            before,
          );
        }
      }
      ledger.close();
    }),
    { numRuns: 100 },
  );
});
