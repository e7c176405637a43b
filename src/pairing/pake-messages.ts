// What travels between the daemon's thread and the one that computes.
import type { PakeNames, PakeVerifier } from '../pake/spake2plus.ts';

export interface PakeTask {
  readonly id: number;
  readonly names: PakeNames;
  readonly verifier: PakeVerifier;
  readonly shareP: Uint8Array;
}

export interface PakeKeys {
  readonly shareV: Uint8Array;
  readonly confirmV: Uint8Array;
  readonly confirmP: Uint8Array;
  readonly sharedKey: Uint8Array;
}

export type PakeResult = { readonly id: number } & (
  | { readonly keys: PakeKeys }
  /** The share was no good; why. */
  | { readonly refused: string }
);
