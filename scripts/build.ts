// npm run build: generated files, types, and this machine's binary at dist/palyra.
import { inputsDigest, isBuilt, keepStamp } from './build-stamp.ts';
import { EXEC_ARGV } from './exec-argv.ts';
import { endWith, step } from './step.ts';

export const generate = (): Promise<void> => step('generate', [process.execPath, 'scripts/gen.ts']);
export const checkTypes = (): Promise<void> => step('types', ['tsc', '-p', '.']);

/** Makes dist/palyra when it is not there or older than the sources. */
export async function build({ always = false } = {}): Promise<void> {
  if (!always && isBuilt()) return;
  const inputs = inputsDigest();
  for (const [name, script] of [
    ['bundle', 'bundle'],
    ['code cache', 'code-cache'],
    ['licences', 'licences'],
    ['pack', 'package'],
  ] as const) {
    // V8 takes a code cache only under the flags that it was made with.
    await step(name, [process.execPath, ...EXEC_ARGV, `scripts/${script}.ts`]);
  }
  keepStamp(inputs);
}

if (import.meta.main) {
  try {
    await generate();
    await checkTypes();
    await build({ always: true });
  } catch (cause) {
    endWith(cause);
  }
}
