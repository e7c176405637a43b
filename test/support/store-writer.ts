// A process that writes to a store until it is killed. Each write is two rows, several writes are in flight, and what is
// on disk is told on standard output: `<n>\n`. Arguments: `sqlite <folder>` or `postgres <url>`.
import { writeSync } from 'node:fs';
import { systemClock } from '../../src/kernel/clock.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import { openStore } from '../../src/store/open-store.ts';

const IN_FLIGHT = 8;
const [engine, place = '', from = '0'] = process.argv.slice(2);
const log = makeLogger({ level: 'error', component: 'writer' });
const where = engine === 'sqlite' ? { home: place } : { home: process.env['HOME'] ?? '', databaseUrl: place };
const { store } = await openStore({ ...where, clock: systemClock, log });
let next = Number(from);
const writer = async (): Promise<void> => {
  for (;;) {
    const at = next;
    next += 1;
    await store.write(async (tx) => {
      await tx
        .insertInto('meta')
        .values({ key: `${at}-left`, value: 'x'.repeat(500) })
        .execute();
      await tx
        .insertInto('meta')
        .values({ key: `${at}-right`, value: 'x'.repeat(500) })
        .execute();
    });
    writeSync(1, `${at}\n`);
  }
};
await Promise.all(Array.from({ length: IN_FLIGHT }, writer));
