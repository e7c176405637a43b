import type * as z from 'zod';
import { PalyraError } from '../kernel/errors.ts';

/** The value as its schema reads it. Errors: `invalid_argument`, with each field and what is wrong with it. */
export function validate(schema: z.ZodType | undefined, value: unknown, what: string): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const fields = result.error.issues.slice(0, 10).map(({ path, message }) => ({ field: path.join('.'), message }));
  const [first] = fields;
  const where = first === undefined || first.field === '' ? what : `${what} field ${first.field}`;
  throw new PalyraError('invalid_argument', `${where}: ${first?.message ?? 'does not fit'}`, { details: { fields } });
}
