import * as z from 'zod';
import type { Capability } from '../../capabilities/capability.ts';
import { LIMITS } from '../../kernel/limits.ts';

export type Capabilities = ReadonlyMap<string, Capability>;

const verdicts = ['allow', 'ask', 'deny'] as const;
type Verdict = (typeof verdicts)[number];

/** What the owner can say about every capability; the rest of an entry is the capability's own. */
const common = {
  decision: z.enum(verdicts),
  /** Requests that run at the same time. */
  concurrency: z.int().min(1).max(LIMITS.nodeConcurrency).optional(),
  /** No request runs longer, whatever it asks for. */
  max_run_ms: z.int().min(1).max(LIMITS.runTimeoutLongestMs).optional(),
};

export type PolicyEntry = {
  readonly decision: Verdict;
  readonly concurrency?: number | undefined;
  readonly max_run_ms?: number | undefined;
} & Readonly<Record<string, unknown>>;

/** node-policy.json, parsed. What it does not name is denied. */
export interface PolicyDocument {
  readonly version: 1;
  readonly capabilities: Readonly<Record<string, PolicyEntry>>;
}

/** The one schema of node-policy.json, made of what each capability lets its owner say. */
export function policySchema(capabilities: Capabilities): z.ZodObject {
  const entries = [...capabilities.values()].map(({ name, policySchema: own }) => [
    name,
    own.extend(common).optional(),
  ]);
  return z.strictObject({
    $schema: z.string().optional(),
    version: z.literal(1),
    capabilities: z.strictObject(Object.fromEntries(entries)),
  });
}

/** The part of an entry that belongs to the capability itself. */
export function ownPart(entry: PolicyEntry): Record<string, unknown> {
  const own: Record<string, unknown> = { ...entry };
  for (const name of Object.keys(common)) delete own[name];
  return own;
}
