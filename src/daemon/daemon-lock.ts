import { PalyraError } from '../kernel/errors.ts';
import { type HomeLock, lockHome } from '../kernel/home-lock.ts';
import { roleHome } from '../kernel/paths.ts';
import { readInstance } from './instance-file.ts';

/** One daemon per home. Errors: `daemon_already_running`, `no_permission`, `disk_full`. */
export function lockDaemonHome(home: string): HomeLock {
  const folder = roleHome(home, 'daemon');
  const lock = lockHome(folder);
  if (lock !== undefined) return lock;
  const other = readInstance(home);
  const who = other === undefined ? 'another daemon' : `the daemon of process ${other.pid}`;
  throw new PalyraError('daemon_already_running', `${who} runs on ${folder}`, {
    hint: 'see `palyra daemon status`; stop it first, or choose another folder with --home',
  });
}
