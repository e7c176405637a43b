import type { OutputFormat } from './base.ts';
import type { Column } from './table.ts';

export interface ListPrinter<Row> {
  readonly format: OutputFormat;
  /** Name of the list in the JSON document. */
  readonly key: string;
  readonly rows: readonly Row[];
  readonly nextCursor: string | null;
  /** What `-o name` prints of a row. */
  readonly name: (row: Row) => string;
  /** Loaded only when a table is printed. */
  readonly columns: () => Promise<readonly Column<Row>[]>;
  /** What to say instead of an empty table. */
  readonly empty: string;
  readonly print: (line: string) => void;
  readonly printJson: (document: unknown) => void;
}

/** A page of a list in the asked format. Remarks go to standard error: standard output holds data alone. */
export async function printList<Row>(list: ListPrinter<Row>): Promise<void> {
  const { format, key, rows, nextCursor, print } = list;
  switch (format) {
    case 'json':
      list.printJson({ [key]: rows, next_cursor: nextCursor });
      return;
    case 'ndjson':
      for (const row of rows) print(JSON.stringify(row));
      return;
    case 'name':
      for (const row of rows) print(list.name(row));
      return;
    case 'table': {
      if (rows.length === 0) {
        process.stderr.write(`${list.empty}\n`);
        return;
      }
      const { renderTable } = await import('./table.ts');
      print(renderTable(await list.columns(), rows));
      if (nextCursor !== null) process.stderr.write(`more: --cursor ${nextCursor}\n`);
    }
  }
}

interface Fact {
  readonly name: string;
  readonly value: string;
}

/** One thing as a table of its facts; those without a value are left out. */
export async function printFacts(
  facts: readonly (readonly [name: string, value: string | number | null | undefined])[],
  print: (line: string) => void,
): Promise<void> {
  const { renderFacts } = await import('./table.ts');
  const rows: Fact[] = facts
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([name, value]) => ({ name, value: String(value) }));
  print(renderFacts(rows));
}
