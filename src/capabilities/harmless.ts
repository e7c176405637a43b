import type { Decision } from './capability.ts';

/** The decision about a capability without rules of its own: what the policy says of its name is all. */
export const alwaysAllowed = async (name: string): Promise<Decision> => ({
  allowed: true,
  rule: `capabilities["${name}"]`,
});
