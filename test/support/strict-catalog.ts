import * as z from 'zod';
import { PalyraError } from '../../src/kernel/errors.ts';
import type { CapabilityCatalog } from '../../src/operator/ports.ts';

const SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  echo: z.json(),
  'filesystem.read': z.strictObject({
    path: z.string(),
    offset: z.int().optional(),
    length: z.int().optional(),
  }),
  'shell.execute': z.strictObject({
    argv: z.array(z.string()).optional(),
    script: z.string().optional(),
    shell: z.string().optional(),
    cwd: z.string().optional(),
    env: z.record(z.string(), z.string()).optional(),
    secret_env: z.record(z.string(), z.string()).optional(),
  }),
};

/** Knows three capabilities and takes no field too many. */
export const strictCatalog: CapabilityCatalog = {
  parseInput(capability, input) {
    const result = SCHEMAS[capability]?.safeParse(input);
    if (result === undefined || result.success) return result?.data;
    throw new PalyraError('invalid_argument', `input of ${capability}: ${result.error.issues[0]?.message}`);
  },
};
