import { builtinCapabilities } from '../capabilities/builtin.ts';
import { PalyraError } from '../kernel/errors.ts';
import { schemaFaults } from '../kernel/schema-faults.ts';
import type { CapabilityCatalog } from '../operator/ports.ts';

/** The inputs of all capabilities that are built in; what a node adds of its own only that node can judge. */
export function capabilityCatalog(): CapabilityCatalog {
  const builtin = builtinCapabilities({ protectedPaths: [] });
  return {
    parseInput(name, input) {
      const capability = builtin.get(name);
      if (capability === undefined) return undefined;
      const result = capability.input.safeParse(input);
      if (result.success) return result.data;
      const faults = schemaFaults(capability.input, result.error.issues);
      const [first] = faults;
      const where = first === undefined || first.path.length === 0 ? 'input' : `input ${first.path.join('.')}`;
      throw new PalyraError('invalid_argument', `${where} of ${name} ${first?.message ?? 'does not fit'}`, {
        hint:
          first?.meant === undefined
            ? `see the input of ${name} in docs/capabilities.md`
            : `did you mean ${JSON.stringify(first.meant)}?`,
        details: { fields: faults.slice(0, 10).map(({ path, message }) => ({ field: path.join('.'), message })) },
      });
    },
  };
}
