import type { Clock } from '../kernel/clock.ts';
import { LIMITS } from '../kernel/limits.ts';
import type { CodeKind } from '../pake/context.ts';
import type { PakeVerifier } from '../pake/spake2plus.ts';
import type { CsrKey } from '../x509/csr.ts';
import type { FakeCode } from './fake-codes.ts';
import type { PakeKeys } from './pake-messages.ts';
import { tooMany } from './rate-limits.ts';
import type { CompletedPairing } from './types.ts';

/** A handshake under way. It is memory only: one that a restart takes is begun anew. */
export interface Session {
  readonly id: string;
  /** Hash of what it was begun with: the same begin finds it again. */
  readonly beginKey: string;
  readonly kind: CodeKind;
  readonly selector: string;
  /** Absent where no live code has the selector. */
  readonly codeId: string | undefined;
  readonly fake: FakeCode | undefined;
  readonly verifier: PakeVerifier;
  readonly salt: Buffer;
  readonly caSha256: Buffer;
  readonly csrDer: Buffer;
  readonly csr: CsrKey;
  readonly helloHash: Buffer;
  readonly sasCommit: Buffer;
  readonly daemonNonce: Buffer;
  /** On the monotonic clock, ms. */
  readonly endsAtMs: number;
  exchange?: { readonly shareP: Buffer; readonly keys: Promise<PakeKeys> } | undefined;
  completion?: { readonly confirmP: Buffer; readonly result: Promise<CompletedPairing> } | undefined;
}

/** A backstop above the rate limits of BeginPairingSession. */
const SESSIONS = 16_384;

/** The handshakes under way, each for LIMITS.pairingSessionMs. */
export class Sessions {
  readonly #clock: Clock;
  readonly #byId = new Map<string, { readonly session: Session; readonly stopTimer: () => void }>();
  readonly #byBegin = new Map<string, string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  find(id: string): Session | undefined {
    return this.#byId.get(id)?.session;
  }

  findBegun(beginKey: string): Session | undefined {
    return this.find(this.#byBegin.get(beginKey) ?? '');
  }

  /** Errors: too_many_requests. */
  add(parts: Omit<Session, 'endsAtMs'>): Session {
    if (this.#byId.size >= SESSIONS) throw tooMany('too many handshakes under way', LIMITS.pairingSessionMs);
    const session = { ...parts, endsAtMs: this.#clock.monotonic() + LIMITS.pairingSessionMs };
    const stopTimer = this.#clock.after(LIMITS.pairingSessionMs, () => this.end(session));
    this.#byId.set(session.id, { session, stopTimer });
    this.#byBegin.set(session.beginKey, session.id);
    return session;
  }

  leftMs({ endsAtMs }: Session): number {
    return Math.max(0, Math.floor(endsAtMs - this.#clock.monotonic()));
  }

  end({ id, beginKey }: Session): void {
    this.#byId.get(id)?.stopTimer();
    this.#byId.delete(id);
    if (this.#byBegin.get(beginKey) === id) this.#byBegin.delete(beginKey);
  }

  clear(): void {
    for (const { session } of this.#byId.values()) this.end(session);
  }
}
