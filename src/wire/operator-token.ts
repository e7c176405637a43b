import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE32 = '0123456789abcdefghjkmnpqrstvwxyz';
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 10;
const SECRET_LENGTH = 32;
const CRC_LENGTH = 6;

/** The short word of a token that says at a glance what it may do. */
export const TOKEN_KINDS = {
  admin: 'adm',
  operator: 'opr',
  approver: 'apv',
  viewer: 'viw',
  service: 'svc',
} as const;

type TokenRole = keyof typeof TOKEN_KINDS;

const TOKEN = new RegExp(
  `^palyra_(${Object.values(TOKEN_KINDS).join('|')})_([${BASE32}]{${ID_LENGTH}})_([0-9A-Za-z]{${SECRET_LENGTH}})([0-9A-Za-z]{${CRC_LENGTH}})$`,
);

/** A token taken apart. The secret itself is kept nowhere: only its hash goes on. */
export interface OperatorToken {
  readonly text: string;
  /** Public part; the id of the operator. */
  readonly id: string;
  /** SHA-256 of the secret: what the daemon stores and what proves that it knows the token. */
  readonly secretSha256: Buffer;
}

/** Characters drawn evenly: bytes that would favour the first letters of the alphabet are thrown away. */
function draw(alphabet: string, length: number): string {
  const fair = 256 - (256 % alphabet.length);
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length * 2)) {
      if (byte < fair && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}

/** CRC-32 in base 62, six letters: finds typing errors, and lets secret scanners tell tokens from noise. */
function checksum(text: string): string {
  let rest = crc32(text);
  let letters = '';
  for (let at = 0; at < CRC_LENGTH; at += 1) {
    letters = `${BASE62[rest % BASE62.length]}${letters}`;
    rest = Math.floor(rest / BASE62.length);
  }
  return letters;
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A fresh token: 50 bits of id, 190 bits of secret. Its text is shown once and stored nowhere but with its owner. */
export function makeOperatorToken(role: TokenRole): OperatorToken {
  const id = draw(BASE32, ID_LENGTH);
  const secret = draw(BASE62, SECRET_LENGTH);
  const body = `palyra_${TOKEN_KINDS[role]}_${id}_${secret}`;
  return { text: `${body}${checksum(body)}`, id, secretSha256: sha256(secret) };
}

/** Takes a token apart; undefined for anything that is not one, typing errors included. */
export function parseOperatorToken(text: string): OperatorToken | undefined {
  const [, , id, secret, crc] = TOKEN.exec(text) ?? [];
  if (id === undefined || secret === undefined || crc === undefined) return undefined;
  if (checksum(text.slice(0, -CRC_LENGTH)) !== crc) return undefined;
  return { text, id, secretSha256: sha256(secret) };
}
