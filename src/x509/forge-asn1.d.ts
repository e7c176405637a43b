// The one part of node-forge that is used, as it is: its own types know neither the path nor the options.
declare module 'node-forge/lib/asn1.js' {
  interface Asn1 {
    readonly tagClass: number;
    readonly type: number;
    readonly constructed: boolean;
    /** Raw bytes as a latin1 string, or the parts of a constructed value. */
    readonly value: string | readonly Asn1[];
  }
  interface FromDerOptions {
    strict: boolean;
    parseAllBytes: boolean;
    decodeBitStrings: boolean;
    maxDepth: number;
  }
  const asn1: {
    create(tagClass: number, type: number, constructed: boolean, value: string | readonly Asn1[]): Asn1;
    fromDer(bytes: string, options: FromDerOptions): Asn1;
    toDer(value: Asn1): { getBytes(): string };
    oidToDer(oid: string): { getBytes(): string };
    integerToDer(value: number): { getBytes(): string };
    dateToUtcTime(date: Date): string;
    dateToGeneralizedTime(date: Date): string;
  };
  export default asn1;
  export type { Asn1 };
}
