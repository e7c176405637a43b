import { LIMITS } from '../kernel/limits.ts';

/** Whether a device can be reached, as every surface says it. */
export type Presence = 'online' | 'degraded' | 'stale' | 'offline';

export interface PresenceFacts {
  /** A stream is open here. */
  readonly connected: boolean;
  readonly degradedReason: string | null;
  readonly lastDisconnectedAtUnixMs: number | null;
}

/**
 * The one rule: an open stream is online, one that broke is stale within the grace, anything else is offline.
 * Timestamps of the past never make a device online, so after a start of the daemon nothing is before it connects.
 */
export function presenceOf(
  { connected, degradedReason, lastDisconnectedAtUnixMs }: PresenceFacts,
  now: number,
): Presence {
  if (connected) return degradedReason === null ? 'online' : 'degraded';
  if (lastDisconnectedAtUnixMs === null) return 'offline';
  return now - lastDisconnectedAtUnixMs < LIMITS.staleMs ? 'stale' : 'offline';
}
