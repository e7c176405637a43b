import { type Clock, systemClock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { type Logger, makeLogger } from '../kernel/log.ts';
import { runNodeHost } from './node-host.ts';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
const INTERRUPTED_EXIT = 130;

// Nothing else need keep the process alive while it waits; longer than any timer of the runtime.
const FOREVER_MS = Number.MAX_SAFE_INTEGER;

/** The service manager that started this process, where one did. */
interface ServiceNotifier {
  ready(status: string): void;
  status(text: string): void;
  stopping(status: string): void;
  close(): void;
}

interface RunOptions {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly notify: (clock: Clock, log: Logger) => ServiceNotifier;
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
}

/**
 * Runs the node host until a signal asks for its end; the second signal ends it at once. Tells the service manager how
 * it is. Errors: those of `runNodeHost`, config_invalid.
 */
export async function runUntilStopped({ home, env, notify, logLevel }: RunOptions): Promise<void> {
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    throw new PalyraError('config_invalid', 'NODE_TLS_REJECT_UNAUTHORIZED=0 would turn the verification of TLS off', {
      hint: 'unset NODE_TLS_REJECT_UNAUTHORIZED',
    });
  }
  // Reads of files share the pool of the runtime with everything else that waits.
  env['UV_THREADPOOL_SIZE'] ??= '8';
  const log = makeLogger({ level: logLevel, component: 'node' });
  const stop = new AbortController();
  let signals = 0;
  const notifier = notify(systemClock, log);
  const onSignal = (signal: string): void => {
    signals += 1;
    if (signals > 1) process.exit(INTERRUPTED_EXIT);
    notifier.stopping(`stopping after ${signal}`);
    stop.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const over = new AbortController();
  systemClock.sleep(FOREVER_MS, over.signal).catch(() => undefined);
  try {
    // A daemon that is away is no reason for a service to have failed.
    notifier.ready('starting');
    await runNodeHost({
      home,
      clock: systemClock,
      log,
      signal: stop.signal,
      status: (text) => notifier.status(text),
    });
  } finally {
    over.abort();
    notifier.close();
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}
