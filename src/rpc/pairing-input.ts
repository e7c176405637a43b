// What a machine that nobody knows sent, checked at the edge: every field has a form and a limit.
import * as z from 'zod';
import { PalyraError } from '../kernel/errors.ts';
import { isUlid } from '../kernel/is-ulid.ts';
import { LIMITS } from '../kernel/limits.ts';

const VERSION = 1;
const NONCE_BYTES = 16;
const HASH_BYTES = 32;
const CHALLENGE_BYTES = 48;
const SIGNATURE_BYTES = 128;
/** One that is no point of the curve costs a try; one that is far too long is not even looked at. */
const SHARE_BYTES = 128;
const TEXT_LENGTH = 256;

const bytes = (least: number, most: number) =>
  z.instanceof(Buffer).refine(({ length }) => length >= least && length <= most, `has not ${least} to ${most} bytes`);
const exactly = (count: number) => bytes(count, count);
const ulid = z.string().refine(isUlid, 'is not an id (ULID)');
// No control, format (bidirectional overrides) or private characters: it is shown to whoever decides.
const shown = (longest: number) =>
  z
    .string()
    .max(longest)
    .regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u, 'has characters that cannot be shown');
const capabilityName = z
  .string()
  .max(LIMITS.capabilityNameLength)
  .regex(/^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/, 'is not the name of a capability');

export const beginInput = z
  .object({
    v: z.literal(VERSION),
    kind: z.enum(['PAIRING_CODE_KIND_PIN', 'PAIRING_CODE_KIND_TOKEN']),
    selector: z.string().max(16),
    client_nonce: exactly(NONCE_BYTES),
    csr_der: bytes(1, LIMITS.csrBytes),
    hello_hash: exactly(HASH_BYTES),
    sas_commit: exactly(HASH_BYTES),
  })
  .refine(
    ({ kind, selector }) => (kind === 'PAIRING_CODE_KIND_PIN' ? /^\d{2}$/ : /^[0-9a-f]{16}$/).test(selector),
    'selector does not fit the kind of code',
  );
export const exchangeInput = z.object({ session_id: ulid, share_p: bytes(1, SHARE_BYTES) });
export const completeInput = z.object({
  session_id: ulid,
  confirm_p: exactly(HASH_BYTES),
  sas_nonce: exactly(HASH_BYTES),
  device_hello: bytes(1, LIMITS.deviceHelloBytes),
});
export const deviceHelloInput = z.object({
  random: exactly(NONCE_BYTES),
  name: shown(LIMITS.nameLength).min(1),
  platform: shown(LIMITS.nameLength),
  arch: shown(LIMITS.nameLength),
  os_version: shown(TEXT_LENGTH),
  palyra_version: shown(LIMITS.nameLength),
  hostname: shown(TEXT_LENGTH),
  capabilities: z.array(capabilityName).max(LIMITS.capabilitiesPerNode),
});
export const proofInput = z.object({
  request_id: ulid,
  challenge: exactly(CHALLENGE_BYTES),
  signature: bytes(1, SIGNATURE_BYTES),
});
export const recoverInput = z.object({
  device_id: ulid,
  csr_der: bytes(1, LIMITS.csrBytes),
  challenge: exactly(CHALLENGE_BYTES),
  signature: bytes(1, SIGNATURE_BYTES),
});
export const challengeInput = z.object({ subject: ulid });

/** A message in its form. Errors: invalid_argument that names the first field that does not fit, never its content. */
export function parseMessage<T>(schema: z.ZodType<T>, message: unknown): T {
  const parsed = schema.safeParse(message);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.map(String).join('.') ?? '';
  throw new PalyraError('invalid_argument', `malformed message: ${field} ${issue?.message ?? ''}`.trim());
}
