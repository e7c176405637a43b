// What callers may send. Unknown fields are refused everywhere: one that means something elsewhere (`approved: true`)
// must not be taken for granted here.
import * as z from 'zod';
import { isUlid } from '../kernel/is-ulid.ts';
import { LIMITS } from '../kernel/limits.ts';
import { PAIRING_STATES, PRESENCES, REQUEST_STATES, TRUSTS } from '../wire/views.ts';

const SAFE_TEXT = /^[^\p{Cc}]*$/u;

const ulid = z
  .string()
  .transform((text) => text.toUpperCase())
  .refine(isUlid, 'is not an id (ULID)');
/** A name, id or prefix of an id, as operators type it. */
const reference = z.string().min(1).max(128).regex(SAFE_TEXT, 'has control characters');
const reason = z.string().max(512).regex(SAFE_TEXT, 'has control characters');
const capabilityName = z
  .string()
  .max(LIMITS.capabilityNameLength)
  .regex(/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/, 'is not the name of a capability');
const capabilityNames = z.array(capabilityName).max(LIMITS.capabilitiesPerNode);
const labels = z
  .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/, 'is not a label'), z.string().max(63))
  .refine((all) => Object.keys(all).length <= LIMITS.labelsPerNode, `has more than ${LIMITS.labelsPerNode} labels`);

const page = {
  cursor: z.string().min(1).max(256).optional(),
  limit: z.coerce.number().int().min(1).max(LIMITS.pageRowsLargest).default(LIMITS.pageRows),
};

/** Several words with commas between. */
const severalOf = <const Words extends readonly string[]>(words: Words) =>
  z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(words)).max(words.length));
const offset = z.coerce
  .number()
  .int()
  .min(0)
  .max(2 ** 47)
  .default(0);
/** `1` and the like in a query. */
const flag = z.enum(['0', '1', 'true', 'false']).transform((text) => text === '1' || text === 'true');

export const nodeParams = z.object({ node: reference });
export const codeParams = z.object({ code: reference });
export const pairingParams = z.object({ request: reference });
export const requestParams = z.object({ request: ulid });

export const pageQuery = z.strictObject(page);
export const nodesQuery = z.strictObject({
  ...page,
  presence: severalOf(PRESENCES).optional(),
  trust: severalOf(TRUSTS).optional(),
  search: reference.optional(),
});
export const pairingQuery = z.strictObject({ ...page, state: z.enum(PAIRING_STATES).optional() });
export const requestsQuery = z.strictObject({
  ...page,
  node: reference.optional(),
  capability: capabilityName.optional(),
  created_by: z.string().min(1).max(128).optional(),
  state: severalOf(REQUEST_STATES).optional(),
});

export const reasonBody = z.strictObject({ reason: reason.optional() }).optional();
export const mintBody = z
  .strictObject({
    ttl_ms: z.int().min(1_000).max(LIMITS.pairingCodeLongestMs).optional(),
    name: z.string().min(1).max(LIMITS.nameLength).regex(SAFE_TEXT, 'has control characters').optional(),
    labels: labels.optional(),
    capabilities: capabilityNames.optional(),
  })
  .optional();
export const approveBody = z.strictObject({ capabilities: capabilityNames, reason: reason.optional() });

const watchOffsets = { stdout_offset: offset, stderr_offset: offset };
export const watchQuery = z.strictObject({ ...watchOffsets, observe: flag.optional() });
export const createQuery = z.strictObject({ ...watchOffsets, watch: flag.optional() });
export const createBody = z
  .strictObject({
    node: reference,
    capability: capabilityName,
    input: z.json().default({}),
    stdin_mode: z.enum(['none', 'inline', 'stream']).default('none'),
    stdin_base64: z.base64().optional(),
    queue_ttl_ms: z.int().min(1).max(LIMITS.queueTtlLongestMs).optional(),
    run_timeout_ms: z.int().min(1).max(LIMITS.runTimeoutLongestMs).default(LIMITS.runTimeoutMs),
  })
  .refine(({ stdin_mode, stdin_base64 }) => (stdin_mode === 'inline') === (stdin_base64 !== undefined), {
    path: ['stdin_base64'],
    message: 'goes with stdin_mode inline, and only with it',
  });
export const ackBody = z.strictObject({
  watch_id: z.uuid(),
  stdout_bytes: z.int().min(0),
  stderr_bytes: z.int().min(0),
});
export const stdinQuery = z.strictObject({ offset, end: flag.optional() });
export const helloQuery = z.strictObject({
  nonce: z.string().regex(/^[A-Za-z0-9_-]{22,128}$/, 'must be 16 bytes or more in base64url'),
  id: z.string().regex(/^[0-9a-z]{10}$/, 'is not the id of a token'),
});
/** 1 to 255 visible characters. */
export const idempotencyKey = z.string().regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters');
