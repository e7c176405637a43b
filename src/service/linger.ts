import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PalyraError } from '../kernel/errors.ts';
import type { ServiceMachine } from './service-machine.ts';
import { runtimeDir } from './systemctl.ts';

const MANAGER_START_MS = 10_000;
const POLL_MS = 50;

export interface Linger {
  readonly on: boolean;
  /** It was off, and we turned it on. */
  readonly made: boolean;
}

/** Whether a user's services run without a login. logind keeps a file per such user. */
const lingers = (user: string): boolean => existsSync(join('/var/lib/systemd/linger', user));

export const lingerCommand = (user: string): string => `sudo loginctl enable-linger ${user}`;

/** Lets the asking user's services run from boot on, if the system allows it to that user. */
export async function enableLinger({ run, userName }: ServiceMachine): Promise<Linger> {
  const user = userName();
  if (lingers(user)) return { on: true, made: false };
  // By name: without one it means the user of the session, and a shell that cron or su opened is in none.
  await run('loginctl', ['--no-ask-password', 'enable-linger', user]);
  const on = lingers(user);
  return { on, made: on };
}

/** Takes back what `enableLinger` did; whether it is off now. */
export async function disableLinger({ run, userName }: ServiceMachine): Promise<boolean> {
  await run('loginctl', ['--no-ask-password', 'disable-linger', userName()]);
  return !lingers(userName());
}

/** Waits for the manager of a user: lingering has only just started it. */
export async function userManagerReady({ uid, clock, userName }: ServiceMachine): Promise<void> {
  const sockets = ['systemd/private', 'bus'].map((name) => join(runtimeDir(uid), name));
  const deadline = clock.monotonic() + MANAGER_START_MS;
  while (!sockets.some((path) => existsSync(path))) {
    if (clock.monotonic() > deadline) {
      throw new PalyraError('service_failed', `no service manager of ${userName()} runs (${runtimeDir(uid)})`, {
        hint: `let it run without a login: ${lingerCommand(userName())}`,
      });
    }
    await clock.sleep(POLL_MS);
  }
}
