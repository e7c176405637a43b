import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The `skip` option of a test that needs something of the machine: false when it is there, else the printed reason.
 * With PALYRA_TEST_REQUIRE_ALL=1 a missing need is a failure, so that a green run has run everything.
 */
export function skipUnless(met: boolean, reason: string): string | false {
  if (met) return false;
  if (process.env['PALYRA_TEST_REQUIRE_ALL'] === '1') throw new Error(`required by PALYRA_TEST_REQUIRE_ALL: ${reason}`);
  return reason;
}

/** Which of these programs PATH does not have. */
export function missingPrograms(names: readonly string[]): string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return names.filter((name) => !folders.some((folder) => isExecutable(join(folder, name))));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
