import { stripVTControlCharacters } from 'node:util';

// C0, DEL and C1; line separators; marks and overrides of the writing direction; invisible tags.
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;

/**
 * Text of a machine or stranger as a terminal may show it: one line, no escape sequences, nothing that reverses or
 * hides. What was taken out of the middle of a word stays visible, so that two names do not look alike.
 */
export const cleanText = (text: string): string => stripVTControlCharacters(text).replace(UNSAFE, '\ufffd');
