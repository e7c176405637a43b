/**
 * How messages look in code: snake_case as on the wire, 64-bit numbers as plain numbers (exact to 2^53: byte counts
 * and milliseconds), enums by name, absent fields absent. The same options make the types, or the types would lie.
 */
export const PROTO_OPTIONS = { keepCase: true, longs: Number, enums: String, defaults: false, oneofs: true } as const;
