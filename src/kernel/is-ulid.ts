// Apart from the making of ids, which loads the cryptography of the runtime: 25 ms that no look at an id needs.
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** Whether `text` is a ULID in its canonical upper-case form. */
export const isUlid = (text: string): boolean => ULID.test(text);
