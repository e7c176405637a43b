// What can be set about a daemon. One table: the file, the environment, the flags and the documentation follow it.
import * as z from 'zod';
import { LIMITS } from '../kernel/limits.ts';
import { OPERATOR_TCP } from '../wire/operator-place.ts';

const MINUTE_MS = 60_000;
// Below this a renewal would come before the one before it is in use.
const SHORTEST_LIFE_MS = 10_000;

/** Names and bounds of `daemon.json`; durations in ms. */
export const daemonSettingsSchema = z.strictObject({
  node_listen: z.string().max(300),
  operator_listen: z.string().max(300),
  database_url: z.string().max(2048),
  log_level: z.enum(['error', 'warn', 'info', 'debug']),
  device_certificate_ms: z.int().min(SHORTEST_LIFE_MS).max(LIMITS.caLifetimeMs),
  daemon_certificate_ms: z.int().min(SHORTEST_LIFE_MS).max(LIMITS.caLifetimeMs),
  pairing_request_ms: z.int().min(MINUTE_MS).max(LIMITS.pairingRequestLongestMs),
  watcher_grace_ms: z
    .int()
    .min(0)
    .max(60 * MINUTE_MS),
  drain_ms: z
    .int()
    .min(0)
    .max(10 * MINUTE_MS),
});

export type DaemonSettings = z.output<typeof daemonSettingsSchema>;
export type SettingName = keyof DaemonSettings;

export const DAEMON_DEFAULTS: DaemonSettings = {
  node_listen: '0.0.0.0:7443',
  operator_listen: `${OPERATOR_TCP.host}:${OPERATOR_TCP.port}`,
  database_url: '',
  log_level: 'info',
  device_certificate_ms: LIMITS.deviceLeafMs,
  daemon_certificate_ms: LIMITS.daemonLeafMs,
  pairing_request_ms: LIMITS.pairingRequestMs,
  watcher_grace_ms: LIMITS.watcherGraceMs,
  // A node needs one round trip to end its stream; its work goes on without.
  drain_ms: 5_000,
};

/** What each setting means, for whoever looks at them. */
export const SETTING_MEANING: Readonly<Record<SettingName, string>> = {
  node_listen: 'where nodes connect',
  operator_listen: 'where operators connect beside the socket; none for nowhere',
  database_url: 'postgres://… instead of the database file of the home',
  log_level: 'least severity of a log line',
  device_certificate_ms: 'lifetime of device certificates',
  daemon_certificate_ms: 'lifetime of the certificate of the daemon',
  pairing_request_ms: 'how long a pairing request waits for a decision',
  watcher_grace_ms: 'how long a request waits for its watcher to come back',
  drain_ms: 'how long a stop may take',
};

export const SETTING_NAMES = Object.keys(DAEMON_DEFAULTS) as SettingName[];

/** The variable of a setting: PALYRA_NODE_LISTEN. */
export const variableOf = (name: SettingName): string => `PALYRA_${name.toUpperCase()}`;
