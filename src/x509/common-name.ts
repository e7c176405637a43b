import { type Der, oid, sequence, set, utf8 } from './der.ts';

/** A distinguished name of one common name. */
export const commonName = (text: string): Der => sequence(set(sequence(oid('2.5.4.3'), utf8(text))));
