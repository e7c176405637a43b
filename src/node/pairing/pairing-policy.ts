import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NodePolicy, type Offer } from '../policy/node-policy.ts';
import type { Capabilities } from '../policy/policy-document.ts';
import { loadPolicy, writePolicy } from '../policy/policy-file.ts';
import { type PolicyFlags, policyFromFlags } from '../policy/policy-from-flags.ts';

/** The owner's policy as a pairing leaves it. */
export interface PairingPolicy {
  /** What its owner is to be told, loudly. */
  readonly warnings: readonly string[];
  readonly offers: readonly Offer[];
  /** Writes node-policy.json, where the flags or its absence ask for it. */
  write(): Promise<void>;
}

/**
 * The policy that the flags stand for; the present file where they say nothing.
 * Errors: usage, capability_unknown, policy_invalid.
 */
export async function pairingPolicy(
  nodeHome: string,
  flags: PolicyFlags,
  capabilities: Capabilities,
): Promise<PairingPolicy> {
  const path = join(nodeHome, 'node-policy.json');
  const said = flags.allow.length > 0 || flags.readRoots.length > 0 || flags.allowScript;
  if (!said && existsSync(path)) {
    const { policy } = await loadPolicy(path, capabilities);
    return { warnings: [], offers: policy.offers(), write: async () => undefined };
  }
  const { document, warnings } = policyFromFlags(flags, capabilities);
  return {
    warnings,
    offers: new NodePolicy(document, capabilities).offers(),
    write: () => writePolicy(path, document, capabilities),
  };
}
