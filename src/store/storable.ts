/** What a column holds; booleans are 0 or 1 by then. */
export type Storable = string | number | bigint | Uint8Array | null;

/**
 * A value as both databases keep it alike. Text: NUL becomes U+FFFD, as a lone surrogate does, since PostgreSQL knows
 * neither. Throws TypeError for what a driver would bend: NaN, dates, objects, undefined.
 */
export function storable(value: unknown): Storable {
  if (value === null || value instanceof Uint8Array || typeof value === 'bigint') return value;
  if (typeof value === 'string') return value.includes('\0') ? value.replaceAll('\0', '\uFFFD') : value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'number') throw new TypeError(`a value of type ${typeof value} cannot be stored`);
  if (!Number.isFinite(value)) throw new TypeError(`${value} cannot be stored`);
  return value;
}
