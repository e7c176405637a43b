import type { CodeConstraints } from './types.ts';

// Shape of `constraints_json`; written and read here only.
interface StoredConstraints {
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly capabilities?: readonly string[];
  readonly auto_approve?: boolean;
}

export function writeConstraints({ name, labels, capabilities, autoApprove }: CodeConstraints): string {
  const stored: StoredConstraints = {
    ...(name !== undefined && { name }),
    ...(labels !== undefined && { labels }),
    ...(capabilities !== undefined && { capabilities }),
    ...(autoApprove === true && { auto_approve: true }),
  };
  return JSON.stringify(stored);
}

export function readConstraints(json: string): CodeConstraints {
  const { auto_approve: autoApprove, ...rest } = JSON.parse(json) as StoredConstraints;
  return { ...rest, ...(autoApprove === true && { autoApprove }) };
}

/** What of a wish is under the ceiling of the code. */
export const grantable = (requested: readonly string[], { capabilities }: CodeConstraints): string[] =>
  requested.filter((name) => capabilities === undefined || capabilities.includes(name));
