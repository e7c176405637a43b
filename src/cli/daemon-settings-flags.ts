import * as Flags from '@oclif/core/flags';
import { LIMITS } from '../kernel/limits.ts';
import { durationFlag } from './duration-flag.ts';

/** The flags of what can be set about a daemon; the environment and daemon.json say the rest. */
export const daemonSettingsFlags = {
  'node-listen': Flags.string({ summary: 'Where nodes connect (0.0.0.0:7443).', helpValue: 'ADDR:PORT' }),
  'operator-listen': Flags.string({
    summary: 'Where operators connect beside the socket, loopback only (127.0.0.1:7480); none for nowhere.',
    helpValue: 'ADDR:PORT',
  }),
  'database-url': Flags.string({
    summary:
      'PostgreSQL instead of the database file. Put a password into PALYRA_DATABASE_URL or daemon.json, not here.',
    helpValue: 'URL',
  }),
  'log-level': Flags.option({
    summary: 'Least severity of a log line (info).',
    options: ['error', 'warn', 'info', 'debug'] as const,
  })(),
  'device-certificate': durationFlag({
    summary: 'Lifetime of device certificates (30d).',
    longestMs: LIMITS.caLifetimeMs,
  }),
};

interface GivenFlags {
  readonly 'node-listen'?: string | undefined;
  readonly 'operator-listen'?: string | undefined;
  readonly 'database-url'?: string | undefined;
  readonly 'log-level'?: 'error' | 'warn' | 'info' | 'debug' | undefined;
  readonly 'device-certificate'?: number | undefined;
}

/** The given flags under the names of the settings. */
export const settingsOfFlags = (flags: GivenFlags) => ({
  node_listen: flags['node-listen'],
  operator_listen: flags['operator-listen'],
  database_url: flags['database-url'],
  log_level: flags['log-level'],
  device_certificate_ms: flags['device-certificate'],
});
