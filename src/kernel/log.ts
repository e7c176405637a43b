import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

export interface LogOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly component: string;
  /** File descriptor to write to. Standard error by default: standard output belongs to the commands. */
  readonly fd?: number;
}

// What could carry a secret is cut out wherever it stands in a logged object.
const SECRETS = ['token', 'pin', 'secret', 'password', 'authorization', 'key_pem', 'stdin', 'secret_env'];

/** A JSON-lines logger. Synchronous: a crash loses no line. */
export function makeLogger({ level, component, fd = 2 }: LogOptions): Logger {
  return pino(
    {
      level,
      base: { component },
      messageKey: 'msg',
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
    },
    pino.destination({ fd, sync: true }),
  );
}
