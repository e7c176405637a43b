import type { Actor } from '../dispatch/types.ts';
import { PalyraError } from '../kernel/errors.ts';
import type { Role } from '../store/schema.ts';

/** What narrows a token beyond its role. */
export interface Scopes {
  /** The only capabilities it may ask for. */
  readonly capabilities: readonly string[];
}

/** An authenticated operator and where the call came from. */
export interface Principal {
  readonly operatorId: string;
  readonly name: string;
  readonly role: Role;
  readonly scopes: Scopes | null;
  /** Address or `unix`. */
  readonly source: string;
}

export const actorOf = ({ operatorId, name, source }: Principal): Actor => ({
  id: `operator:${operatorId}`,
  name,
  source,
});

/** Refuses what lies outside the scope of a token. Errors: permission_denied. */
export function assertInScope({ name, scopes }: Principal, capability: string): void {
  if (scopes === null || scopes.capabilities.includes(capability)) return;
  throw new PalyraError('permission_denied', `the token of ${name} is not for ${capability}`, {
    hint: `it may ask for ${scopes.capabilities.join(', ') || 'nothing'}`,
  });
}
