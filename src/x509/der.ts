import asn1, { type Asn1 } from 'node-forge/lib/asn1.js';

// Only this file touches node-forge, and of it only the ASN.1 layer: its RSA, its verification and its readers of
// certificates and requests have a history (security.md 3.3 of the design names the CVEs).

const UNIVERSAL = 0x00;
const CONTEXT = 0x80;
const TYPE = { boolean: 1, integer: 2, bits: 3, octets: 4, oid: 6, utf8: 12, sequence: 16, set: 17, utc: 23, time: 24 };

export type Der = Asn1;

const raw = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const primitive = (type: number, value: string): Der => asn1.create(UNIVERSAL, type, false, value);

export const sequence = (...parts: readonly Der[]): Der => asn1.create(UNIVERSAL, TYPE.sequence, true, parts);
export const set = (...parts: readonly Der[]): Der => asn1.create(UNIVERSAL, TYPE.set, true, parts);
/** `[tag] EXPLICIT`, and an implicit constructed value. */
export const tagged = (tag: number, ...parts: readonly Der[]): Der => asn1.create(CONTEXT, tag, true, parts);
/** `[tag] IMPLICIT` of a primitive. */
export const taggedBytes = (tag: number, bytes: Uint8Array): Der => asn1.create(CONTEXT, tag, false, raw(bytes));
export const oid = (dotted: string): Der => primitive(TYPE.oid, asn1.oidToDer(dotted).getBytes());
export const smallInteger = (value: number): Der => primitive(TYPE.integer, asn1.integerToDer(value).getBytes());
/** An INTEGER from its two's complement bytes. */
export const integer = (bytes: Uint8Array): Der => primitive(TYPE.integer, raw(bytes));
export const boolean = (value: boolean): Der => primitive(TYPE.boolean, value ? '\u00ff' : '\u0000');
export const octets = (bytes: Uint8Array): Der => primitive(TYPE.octets, raw(bytes));
export const utf8 = (text: string): Der => primitive(TYPE.utf8, raw(Buffer.from(text, 'utf8')));

/** A BIT STRING; `unused` bits at the end of the last byte don't count. */
export const bits = (bytes: Uint8Array, unused = 0): Der =>
  primitive(TYPE.bits, raw(Buffer.concat([Buffer.of(unused), bytes])));

/** Time as RFC 5280, 4.1.2.5 wants it: UTCTime through 2049, GeneralizedTime after. Whole seconds. */
export function time(unixMs: number): Der {
  const date = new Date(unixMs);
  return date.getUTCFullYear() < 2050
    ? primitive(TYPE.utc, asn1.dateToUtcTime(date))
    : primitive(TYPE.time, asn1.dateToGeneralizedTime(date));
}

export const encode = (value: Der): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'latin1');

const MAX_DEPTH = 16;

/** Reads one value and nothing after it. BIT STRINGs stay as they are: guessing at their content changes the bytes. */
export const decode = (der: Uint8Array): Der =>
  asn1.fromDer(raw(der), { strict: true, parseAllBytes: true, decodeBitStrings: false, maxDepth: MAX_DEPTH });

/** The parts of a SEQUENCE, or undefined for anything else. */
export const partsOf = (value: Der | undefined): readonly Der[] | undefined =>
  value !== undefined && value.tagClass === UNIVERSAL && value.type === TYPE.sequence && typeof value.value !== 'string'
    ? value.value
    : undefined;

/** The bytes of a BIT STRING without unused bits, or undefined for anything else. */
export function bitsOf(value: Der | undefined): Buffer | undefined {
  if (value?.tagClass !== UNIVERSAL || value.type !== TYPE.bits || typeof value.value !== 'string') return undefined;
  const bytes = Buffer.from(value.value, 'latin1');
  return bytes[0] === 0 ? bytes.subarray(1) : undefined;
}
