import { systemClock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { makeLogger } from '../kernel/log.ts';
import { startNotifier } from '../service/notify.ts';
import { runNodeHost } from './node-host.ts';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
const INTERRUPTED_EXIT = 130;

interface RunOptions {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
}

/**
 * Runs the node host until a signal asks for its end; the second signal ends it at once. Tells the service manager how
 * it is. Errors: those of `runNodeHost`, config_invalid.
 */
export async function runUntilStopped({ home, env, logLevel }: RunOptions): Promise<void> {
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
  const notifier = startNotifier(env, systemClock, log);
  const onSignal = (signal: string): void => {
    signals += 1;
    if (signals > 1) process.exit(INTERRUPTED_EXIT);
    notifier.stopping(`stopping after ${signal}`);
    stop.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const alive = setInterval(() => undefined, 60_000);
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
    clearInterval(alive);
    notifier.close();
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}
