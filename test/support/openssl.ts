import { execFileSync } from 'node:child_process';
import { missingPrograms, skipUnless } from './require.ts';

/** The `skip` option of a test that asks OpenSSL. */
export const skipWithoutOpenssl = skipUnless(missingPrograms(['openssl']).length === 0, 'openssl is not in PATH');

/** Runs openssl; throws with its standard error when it says no. */
export const openssl = (...args: readonly string[]): string =>
  execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 10_000 });
