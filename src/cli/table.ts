import { styleText } from 'node:util';
import Table from 'cli-table3';
import stringWidth from 'string-width';
import { cleanText } from './clean-text.ts';

export type Colour = Extract<Parameters<typeof styleText>[0], string>;

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string;
  readonly colour?: (row: Row) => Colour | undefined;
  /** Never cut: half an id is of no use. */
  readonly whole?: boolean;
}

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};
const NARROWEST = 8;
const GAP = 2;

/** Narrows the widest of the columns that may be cut until all fit; never below what can still be told apart. */
function fitted(widths: readonly number[], whole: readonly boolean[], total: number): readonly number[] {
  const fit = [...widths];
  let over = fit.reduce((sum, width) => sum + width, 0) + GAP * (fit.length - 1) - total;
  while (over > 0) {
    const widest = Math.max(...fit.filter((_, at) => !whole[at]));
    if (widest <= NARROWEST) break;
    fit[fit.findIndex((width, at) => width === widest && !whole[at])] = widest - 1;
    over -= 1;
  }
  return fit;
}

/** Rows as aligned text without borders; cut to the width of a terminal, never in a pipe. Every cell is cleaned. */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  stream: NodeJS.WriteStream = process.stdout,
): string {
  const cells = rows.map((row) => columns.map(({ cell }) => cleanText(cell(row))));
  const heads = columns.map(({ head }) => head);
  const natural = columns.map((_, at) => Math.max(...[heads, ...cells].map((line) => stringWidth(line[at] ?? ''))));
  const whole = columns.map((column) => column.whole === true);
  const widths = stream.isTTY && stream.columns > 0 ? fitted(natural, whole, stream.columns) : natural;
  const table = new Table({
    chars: NO_LINES,
    colWidths: [...widths],
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  table.push(heads.map((head) => styleText('bold', head, { stream })));
  for (const [line, row] of rows.entries()) {
    table.push(
      columns.map(({ colour }, at) => {
        const text = cells[line]?.[at] ?? '';
        const paint = colour?.(row);
        return paint === undefined ? text : styleText(paint, text, { stream });
      }),
    );
  }
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Names and values in two columns, without a head; a long value goes on behind the width of a terminal. */
export function renderFacts(facts: readonly { readonly name: string; readonly value: string }[]): string {
  const width = Math.max(...facts.map(({ name }) => name.length));
  return facts.map(({ name, value }) => `${name.padEnd(width)}  ${cleanText(value)}`).join('\n');
}
