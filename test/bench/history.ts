// Target 14: what a long history costs a request and the first page of a list.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { MeasuredFleet } from './bench-fleet.ts';
import { echoWork } from './dispatch.ts';
import type { Figure } from './figures.ts';
import { median } from './measure.ts';

const CELL_MS = 300;
const TURNS = 3;

/** Copies of one finished request, older than all others, straight into the database of a daemon that goes on. */
export function fillHistory({ fleet }: MeasuredFleet, rows: number): void {
  const db = new DatabaseSync(join(fleet.daemonHome, 'daemon', 'palyra.db'), { timeout: 30_000 });
  try {
    const columns = db
      .prepare('select * from capability_requests limit 1')
      .columns()
      .map(({ name }) => name);
    const copied = columns.map((name) => (name === 'request_id' ? `printf('00%024d', n)` : `"${name}"`));
    db.exec(
      `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ${rows}),
            finished as (select * from capability_requests where completed_at_unix_ms is not null limit 1)
       insert into capability_requests (${columns.map((name) => `"${name}"`).join(', ')})
       select ${copied.join(', ')} from numbers, finished`,
    );
  } finally {
    db.close();
  }
}

export async function historyFigures(empty: MeasuredFleet, full: MeasuredFleet, rows: number): Promise<Figure[]> {
  const found = {
    empty: { run: [] as number[], page: [] as number[] },
    full: { run: [] as number[], page: [] as number[] },
  };
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [name, bench] of [
      ['empty', empty],
      ['full', full],
    ] as const) {
      const { subject } = bench;
      found[name].run.push((await subject.ask('dispatch', { work: echoWork(bench), width: 1, ms: CELL_MS })).p50Us);
      found[name].page.push((await subject.ask('firstPage', { ms: CELL_MS })).p50Us);
    }
  }
  const figure = (what: string, part: 'run' | 'page'): Figure => ({
    target: `14 ${what} after ${rows.toLocaleString('en')} requests`,
    value: median(found.full[part]) / median(found.empty[part]),
    limit: 1.1,
    unit: 'x empty',
    timed: true,
    note: `${Math.round(median(found.full[part]))} us; empty ${Math.round(median(found.empty[part]))} us`,
  });
  return [figure('a round trip', 'run'), figure('the first page', 'page')];
}
