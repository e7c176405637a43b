import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { PalyraError } from '../kernel/errors.ts';
import { fromBase32, toBase32 } from './base32.ts';

const PREFIX = 'pjt1_';
const VERSION = 1;
const SELECTOR_BYTES = 8;
const SECRET_BYTES = 16;
const HASH_BYTES = 32;
const BODY_BYTES = 1 + SELECTOR_BYTES + SECRET_BYTES + HASH_BYTES;
const TOKEN_BYTES = BODY_BYTES + 4;

/** A join token: a code for machines. */
export interface JoinToken {
  /** Its full text: the password of the exchange. */
  readonly code: string;
  /** Hex; finds its row. */
  readonly selector: string;
  /** SHA-256 of the CA's public key (SPKI DER): an early check, before the exchange confirms it. */
  readonly caSpkiSha256: Buffer;
}

/** A new token of the daemon with this CA key. */
export function makeJoinToken(caSpkiSha256: Uint8Array): JoinToken {
  const selector = randomBytes(SELECTOR_BYTES);
  const body = Buffer.concat([Buffer.of(VERSION), selector, randomBytes(SECRET_BYTES), caSpkiSha256]);
  return {
    code: `${PREFIX}${toBase32(Buffer.concat([body, checksum(body)]))}`,
    selector: selector.toString('hex'),
    caSpkiSha256: Buffer.from(caSpkiSha256),
  };
}

/** Whether a text is meant as a join token and not as a PIN. */
export const looksLikeJoinToken = (text: string): boolean => text.trim().toLowerCase().startsWith('pjt');

/** Reads a token. Throws `pin_malformed` for a damaged or cut one; the message never repeats it. */
export function parseJoinToken(text: string): JoinToken {
  const code = text.trim().toLowerCase();
  if (!code.startsWith(PREFIX)) throw malformed(`a join token starts with ${PREFIX}`);
  const bytes = fromBase32(code.slice(PREFIX.length));
  if (bytes?.length !== TOKEN_BYTES) throw malformed('the join token is not complete');
  const body = bytes.subarray(0, BODY_BYTES);
  if (!checksum(body).equals(bytes.subarray(BODY_BYTES))) throw malformed('the join token has a wrong character');
  if (body[0] !== VERSION) throw malformed('the join token was made by a newer version of Palyra');
  return {
    code,
    selector: body.subarray(1, 1 + SELECTOR_BYTES).toString('hex'),
    caSpkiSha256: Buffer.from(body.subarray(BODY_BYTES - HASH_BYTES)),
  };
}

function checksum(body: Uint8Array): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return sum;
}

const malformed = (message: string): PalyraError =>
  new PalyraError('pin_malformed', message, {
    hint: 'copy the whole token again, or make one with `palyra pairing token create`',
  });
