import * as z from 'zod';
import { PalyraError } from '../kernel/errors.ts';
import { LIMITS } from '../kernel/limits.ts';
import { defineCapability } from './capability.ts';
import { alwaysAllowed } from './harmless.ts';

/** Gives back what it was given: shows that a device answers. Errors: payload_too_large. */
export const echo = defineCapability({
  name: 'echo',
  summary: 'Give the input back.',
  risk: 'harmless',
  input: z.json(),
  output: z.strictObject({ echo: z.json(), device_id: z.string() }),
  limits: { concurrency: 64 },
  policySchema: z.strictObject({}),
  prepare: () => undefined,
  decide: () => alwaysAllowed('echo'),
  async execute(input, _rules, { facts }) {
    if (Buffer.byteLength(JSON.stringify(input)) > LIMITS.outputJsonBytes - LIMITS.nameLength) {
      throw new PalyraError('payload_too_large', `an echo holds at most ${LIMITS.outputJsonBytes} bytes`);
    }
    return { output: { echo: input, device_id: facts.deviceId } };
  },
});
