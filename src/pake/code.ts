import type { CodeKind } from './context.ts';
import { looksLikeJoinToken, parseJoinToken } from './join-token.ts';
import { parsePin } from './pin.ts';

/** A code of either kind, as a person or machine gave it. */
export interface PairingCode {
  readonly kind: CodeKind;
  readonly code: string;
  readonly selector: string;
  /** Only a token knows its daemon. */
  readonly caSpkiSha256: Buffer | undefined;
}

/** Reads a PIN or a join token. Throws `pin_malformed`. */
export function parseCode(text: string): PairingCode {
  if (looksLikeJoinToken(text)) return { kind: 'token', ...parseJoinToken(text) };
  return { kind: 'pin', ...parsePin(text), caSpkiSha256: undefined };
}
