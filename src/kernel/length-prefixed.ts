/**
 * Each field behind its length in 8 bytes, little-endian (RFC 9383, 3.3): two different lists never give the same bytes.
 * Text is taken as UTF-8.
 */
export function lengthPrefixed(...fields: readonly (Uint8Array | string)[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const field of fields) {
    const bytes = typeof field === 'string' ? Buffer.from(field, 'utf8') : field;
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}
