import type { Capability, CapabilityContext, CapabilityOutcome, Decision } from '../../capabilities/capability.ts';
import { PalyraError } from '../../kernel/errors.ts';
import { LIMITS } from '../../kernel/limits.ts';
import { parseInput } from './parse-input.ts';
import { type Capabilities, ownPart, type PolicyDocument, type PolicyEntry } from './policy-document.ts';

/** A request that the policy lets go on: its input is checked, its rules are fixed. */
export interface Admission {
  readonly capability: Capability;
  /** Milliseconds no run of it may take, where the owner set a limit. */
  readonly maxRunMs: number | undefined;
  /** Decides the rest by the rules and does it; see Capability.execute. */
  execute(context: CapabilityContext): Promise<CapabilityOutcome>;
}

export interface Offer {
  readonly name: string;
  readonly available: boolean;
  readonly unavailable_reason: string | undefined;
}

interface Prepared {
  readonly capability: Capability;
  readonly entry: PolicyEntry;
  readonly rules: unknown;
}

const DENIED: PolicyEntry = { decision: 'deny' };

/** The owner's policy, ready to decide. It never changes: a new file makes a new one. */
export class NodePolicy {
  readonly document: PolicyDocument;
  readonly #prepared: ReadonlyMap<string, Prepared>;

  constructor(document: PolicyDocument, capabilities: Capabilities) {
    this.document = document;
    this.#prepared = new Map(
      [...capabilities].map(([name, capability]) => {
        const entry = document.capabilities[name] ?? DENIED;
        return [name, { capability, entry, rules: capability.prepare(ownPart(entry)) }];
      }),
    );
  }

  /**
   * Takes a dispatch in: the bytes are parsed once, and what came out of them is decided about and run.
   * Errors: capability_unknown, capability_unavailable, policy_denied, payload_too_large, invalid_argument.
   */
  admit(name: string, inputJson: Uint8Array | string): Admission {
    const { capability, entry, rules } = this.#of(name);
    const refused = refusal(name, entry);
    if (refused !== undefined) throw new PalyraError(refused.code, refused.reason, { hint: refused.hint });
    const missing = capability.unavailable();
    if (missing !== undefined) {
      throw new PalyraError('capability_unavailable', `${name} is not possible on this machine: ${missing}`);
    }
    const input = parseInput(capability, inputJson);
    return {
      capability,
      maxRunMs: entry.max_run_ms,
      execute: (context) => capability.execute(input, rules, context),
    };
  }

  /** What would become of a call, and by which rule; nothing runs. Errors: as `admit`, but policy_denied is told. */
  async decide(name: string, inputJson: Uint8Array | string): Promise<Decision> {
    const { capability, entry, rules } = this.#of(name);
    const refused = refusal(name, entry);
    if (refused !== undefined) return refused;
    return capability.decide(parseInput(capability, inputJson), rules);
  }

  /** How many requests of a capability may run at the same time. Errors: capability_unknown. */
  concurrency(name: string): number {
    const { capability, entry } = this.#of(name);
    return entry.concurrency ?? Math.min(capability.limits.concurrency, LIMITS.nodeConcurrency);
  }

  /** What the node announces: everything it knows, and why it does not do some of it. */
  offers(): Offer[] {
    return [...this.#prepared.values()].map(({ capability, entry }) => {
      const reason = refusal(capability.name, entry)?.reason ?? capability.unavailable();
      return { name: capability.name, available: reason === undefined, unavailable_reason: reason };
    });
  }

  /** The folders in which `shell.execute` looks for programs; none where it is denied. */
  shellPath(): readonly string[] {
    const path = this.document.capabilities['shell.execute']?.['path'];
    return Array.isArray(path) ? path.map(String) : [];
  }

  #of(name: string): Prepared {
    const prepared = this.#prepared.get(name);
    if (prepared !== undefined) return prepared;
    throw new PalyraError('capability_unknown', `the node has no capability ${JSON.stringify(name)}`, {
      hint: `it has ${[...this.#prepared.keys()].join(', ')}`,
    });
  }
}

function refusal(name: string, { decision }: PolicyEntry): (Decision & { allowed: false }) | undefined {
  const rule = `capabilities["${name}"].decision`;
  switch (decision) {
    case 'allow':
      return undefined;
    case 'ask':
      return {
        allowed: false,
        rule,
        code: 'policy_denied',
        reason: `${name} is to be asked for at the machine, and nobody can answer yet`,
        hint: 'its owner sets "decision": "allow" in node-policy.json',
      };
    case 'deny':
      return {
        allowed: false,
        rule,
        code: 'policy_denied',
        reason: `${name} is denied by the owner's policy`,
        hint: 'its owner sets "decision": "allow" in node-policy.json',
      };
  }
}
