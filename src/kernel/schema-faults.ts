import * as z from 'zod';
import { nearName } from './near-name.ts';

/** Something that is wrong in the document, at a place in it. */
export interface SchemaFault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** The name that was probably meant. */
  readonly meant?: string | undefined;
}

type Issue = z.core.$ZodIssue;

/** What zod found, with the names that were probably meant, and one story for each union instead of all. */
export function schemaFaults(schema: z.core.$ZodType, issues: readonly Issue[]): SchemaFault[] {
  const faults = issues.flatMap((issue) => faultsOf(schema, issue, []));
  // A name with a slip in it is often why another one is missing.
  return faults.toSorted((one, other) => Number(one.meant === undefined) - Number(other.meant === undefined));
}

function faultsOf(schema: z.core.$ZodType, issue: Issue, above: readonly PropertyKey[]): SchemaFault[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path);
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `has no ${JSON.stringify(key)}`,
      meant: nearName(key, known),
    }));
  }
  if (issue.code === 'invalid_union') {
    const branch = nearestBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => faultsOf(schema, inner, path));
    return [{ path, message: 'is none of the forms that are possible here' }];
  }
  return [{ path, message: sentence(issue.message) }];
}

function sentence(message: string): string {
  if (message.endsWith('received undefined')) return 'is missing';
  return message.replace(/^Invalid (?:input|option|key in record): /, 'is wrong: ');
}

/** The form that was meant: one of the right type, with the least wrong about it. */
function nearestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const wrongKind = ({ path, code }: Issue): boolean =>
    path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');
  return branches
    .filter((issues) => issues.length > 0 && !issues.some(wrongKind))
    .toSorted((one, other) => badness(one) - badness(other))[0];
}

const badness = (issues: readonly Issue[]): number =>
  issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? 2 * issue.keys.length : 1), 0);

/** Names that an object at this place of the document may have. */
function knownKeys(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  let at = unwrapped(schema);
  for (const step of path) at = at.flatMap((one) => below(one, step)).flatMap(unwrapped);
  return at.flatMap((one) => (one instanceof z.ZodObject ? Object.keys(one.shape) : []));
}

function below(schema: z.core.$ZodType, step: PropertyKey): z.core.$ZodType[] {
  if (schema instanceof z.ZodObject) {
    const member: unknown = schema.shape[String(step)];
    return member instanceof z.ZodType ? [member] : [];
  }
  return schema instanceof z.ZodArray ? [schema.element] : [];
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return unwrapped(schema.def.innerType);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(unwrapped);
  return [schema];
}
