import { readJsonc } from '../../kernel/read-jsonc.ts';
import { type Capabilities, type PolicyDocument, policySchema } from './policy-document.ts';

/**
 * Reads the text of node-policy.json: JSON with comments and trailing commas. Throws policy_invalid that names line
 * and column of the first fault, and the name that was probably meant.
 */
export function parsePolicy(text: string, capabilities: Capabilities, file = 'node-policy.json'): PolicyDocument {
  const schema = policySchema(capabilities);
  const document: unknown = readJsonc({ text, schema, file, code: 'policy_invalid', normalise: longForm });
  return document as PolicyDocument;
}

/** `"echo": "allow"` is short for `"echo": { "decision": "allow" }`. */
function longForm(value: unknown): unknown {
  if (!isObject(value) || !isObject(value['capabilities'])) return value;
  const entries = Object.entries(value['capabilities']).map(([name, entry]) => [
    name,
    typeof entry === 'string' ? { decision: entry } : entry,
  ]);
  return { ...value, capabilities: Object.fromEntries(entries) as unknown };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
