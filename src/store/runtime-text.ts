import { createHash } from 'node:crypto';
import { PalyraError } from '../kernel/errors.ts';
import { persistedCodes, persistedNodes, persistedPairings, persistedRequests } from './runtime-rows.ts';
import { runtimeStateSchema } from './runtime-schema.ts';
import type { PersistedNodeRuntimeState } from './runtime-state.ts';
import type { Executor } from './store.ts';

const VERSION = 1;
/** Around an entry. */
const SEPARATORS = 2;
const END = /,\n"sha256":"([0-9a-f]{64})"\}\n$/;

export interface RuntimeTextOptions {
  readonly daemonId: string;
  readonly nowUnixMs: number;
  /** At a clean stop: nothing runs on that this copy would not know of. */
  readonly withRequests: boolean;
  /** Requests beyond this length of the text are left out, the newest first to go, and told to `onOmitted`. */
  readonly longestBytes: number;
  readonly onOmitted: (requests: number) => void;
}

/**
 * The text of node-runtime.v1.json in pieces of a page each, read from the database as it goes: what changes meanwhile
 * may be half in it, and makes the next copy due. Its last line is the SHA-256 of all before it.
 */
export async function* runtimeText(db: Executor, options: RuntimeTextOptions): AsyncGenerator<string> {
  const hash = createHash('sha256');
  let length = 0;
  const piece = (text: string): string => {
    hash.update(text);
    length += Buffer.byteLength(text);
    return text;
  };
  const head = { schema_version: VERSION, daemon_id: options.daemonId, saved_at_unix_ms: options.nowUnixMs };
  yield piece(JSON.stringify(head).slice(0, -1));
  // Nodes last but for the requests: a machine that completes its pairing meanwhile is then in one of the maps.
  yield* map('active_pairing_codes', persistedCodes(db, options.nowUnixMs), ({ code_id }) => code_id, piece);
  yield* map('pairing_requests', persistedPairings(db), ({ request_id }) => request_id, piece);
  yield* map('nodes', persistedNodes(db), ({ device_id }) => device_id, piece);
  let omitted = 0;
  let planned = length;
  const fits = (entry: string): boolean => {
    planned += Buffer.byteLength(entry) + SEPARATORS;
    if (planned > options.longestBytes) omitted += 1;
    return omitted === 0;
  };
  const requests = options.withRequests ? persistedRequests(db) : [];
  yield* map('capability_requests', requests, ({ request_id }) => request_id, piece, fits);
  if (omitted > 0) options.onOmitted(omitted);
  yield `,\n"sha256":"${hash.digest('hex')}"}\n`;
}

async function* map<Row>(
  name: string,
  pages: AsyncIterable<Row[]> | Iterable<Row[]>,
  keyOf: (row: Row) => string,
  piece: (text: string) => string,
  fits: (entry: string) => boolean = () => true,
): AsyncGenerator<string> {
  yield piece(`,\n"${name}":{`);
  let separator = '\n';
  for await (const rows of pages) {
    let page = '';
    for (const row of rows) {
      const entry = `${JSON.stringify(keyOf(row))}:${JSON.stringify(plain(row))}`;
      if (!fits(entry)) continue;
      page += separator + entry;
      separator = ',\n';
    }
    yield piece(page);
  }
  yield piece('}');
}

/** Buffers as base64, also inside of lists; left to itself JSON would make a list of numbers of each. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}

/** Reads such a text. Errors: `database_damaged`, `database_newer`. */
export function parseRuntimeText(text: string, path: string): PersistedNodeRuntimeState {
  const damaged = (what: string, cause?: unknown): PalyraError =>
    new PalyraError('database_damaged', `${path} is damaged: ${what}`, { cause });
  const found = jsonOf(text);
  if (typeof found !== 'object' || found === null) throw damaged('it is no JSON object');
  const { schema_version: version, sha256: _, ...rest } = found as Record<string, unknown>;
  if (typeof version === 'number' && version > VERSION) {
    throw new PalyraError('database_newer', `${path} was written by a newer version (schema ${version})`, {
      hint: 'start the newer version again, or move the file away to begin without it',
    });
  }
  const end = END.exec(text);
  const sum = createHash('sha256').update(text.slice(0, end?.index)).digest('hex');
  if (end === null || sum !== end[1]) throw damaged('its checksum does not fit');
  const checked = runtimeStateSchema.safeParse({ schema_version: version, ...rest });
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw damaged(`${issue?.path.join('.')}: ${issue?.message}`, checked.error);
  }
  return checked.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
