import { isUtf8 } from 'node:buffer';

/** Bytes as text where they are UTF-8, as base64 where not: `{head: …}` or `{head_base64: …}`. */
export function textOrBase64<Name extends string>(
  name: Name,
  bytes: Buffer,
): Partial<Record<Name | `${Name}_base64`, string>> {
  const encoded = isUtf8(bytes) ? { [name]: bytes.toString('utf8') } : { [`${name}_base64`]: bytes.toString('base64') };
  return encoded as Partial<Record<Name | `${Name}_base64`, string>>;
}
