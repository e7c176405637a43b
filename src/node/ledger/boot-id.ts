import { readFileSync } from 'node:fs';
import { hostname, uptime } from 'node:os';
import type { Clock } from '../../kernel/clock.ts';

// Without an id of the system the moment of its start serves; it moves a little with the wall clock.
const START_GRAIN_MS = 60_000;

/** Names the present run of the operating system: another one after a power cut or reboot. */
export function osBootId(clock: Pick<Clock, 'now'>): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    const startedAt = clock.now() - uptime() * 1000;
    return `${hostname()}-${Math.round(startedAt / START_GRAIN_MS)}`;
  }
}
