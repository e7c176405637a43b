// Files that people write: JSON with comments and trailing commas, read strictly.
import {
  findNodeAtLocation,
  getNodeValue,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser';
import type * as z from 'zod';
import { type ErrorCode, PalyraError } from './errors.ts';
import { type SchemaFault, schemaFaults } from './schema-faults.ts';

interface JsoncOptions<Schema extends z.ZodType> {
  readonly text: string;
  readonly schema: Schema;
  /** As messages name it. */
  readonly file: string;
  /** Of the error. */
  readonly code: ErrorCode;
  /** Turns short forms into what the schema knows. */
  readonly normalise?: (value: unknown) => unknown;
}

/**
 * Reads such a text by a schema. Throws an error of `code` that names line and column of the first fault, and the
 * name that was probably meant.
 */
export function readJsonc<Schema extends z.ZodType>(options: JsoncOptions<Schema>): z.output<Schema> {
  const { text, schema, normalise = (value) => value } = options;
  const fail = failer(options);
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first !== undefined || tree === undefined) {
    const problem = first === undefined ? 'it is empty' : spaced(printParseErrorCode(first.error));
    throw fail([{ offset: first?.offset ?? 0, message: problem }]);
  }
  const twice = doubledKey(tree);
  if (twice !== undefined) throw fail([twice]);
  const parsed = schema.safeParse(normalise(getNodeValue(tree)));
  if (!parsed.success) {
    throw fail(schemaFaults(schema, parsed.error.issues).map((fault) => placed(fault, tree)));
  }
  return parsed.data;
}

interface Placed {
  readonly offset: number;
  readonly message: string;
  readonly meant?: string | undefined;
}

/** A name that stands twice in one object: parsers disagree on which of the two counts. */
function doubledKey(node: Node): Placed | undefined {
  const seen = new Set<string>();
  for (const child of node.children ?? []) {
    if (node.type === 'object') {
      const [key, value] = child.children ?? [];
      const name = String(key?.value);
      if (name === '__proto__') return { offset: child.offset, message: 'has a name that is never used' };
      if (seen.has(name)) return { offset: child.offset, message: `${JSON.stringify(name)} stands here twice` };
      seen.add(name);
      const inner = value === undefined ? undefined : doubledKey(value);
      if (inner !== undefined) return inner;
    } else {
      const inner = doubledKey(child);
      if (inner !== undefined) return inner;
    }
  }
  return undefined;
}

/** Where a fault is: its own place, or the nearest one around it that is written down. */
function placed({ path, message, meant }: SchemaFault, tree: Node): Placed {
  const steps = path.map((step) => (typeof step === 'number' ? step : String(step)));
  for (let length = steps.length; length >= 0; length -= 1) {
    const node = findNodeAtLocation(tree, steps.slice(0, length));
    if (node === undefined) continue;
    const unknown = message.startsWith('has no ');
    // An unknown name is shown where it stands, not where its value does.
    const offset = unknown && node.parent?.type === 'property' ? node.parent.offset : node.offset;
    const where = steps.slice(0, unknown ? -1 : undefined).join('.');
    return { offset, message: where === '' ? message : `${where} ${message}`, meant };
  }
  return { offset: 0, message, meant };
}

const failer =
  ({ text, file, code }: Pick<JsoncOptions<z.ZodType>, 'text' | 'file' | 'code'>) =>
  (faults: readonly Placed[]): PalyraError => {
    const located = faults.map((fault) => ({ ...fault, ...position(text, fault.offset) }));
    const lines = located.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`);
    const more = lines.length > 1 ? ` (and ${lines.length - 1} more)` : '';
    const meant = located[0]?.meant;
    return new PalyraError(code, `${lines[0] ?? file}${more}`, {
      hint: meant === undefined ? `correct it in ${file}` : `did you mean ${JSON.stringify(meant)}?`,
      details: { faults: located.map(({ line, column, message }) => ({ line, column, message })) },
    });
  };

function position(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}

const spaced = (code: string): string => code.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
