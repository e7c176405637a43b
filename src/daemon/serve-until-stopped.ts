import { systemClock } from '../kernel/clock.ts';
import { PalyraError } from '../kernel/errors.ts';
import { makeLogger } from '../kernel/log.ts';
import { startNotifier } from '../service/notify.ts';
import { startDaemon } from './daemon.ts';
import type { DaemonSettings } from './daemon-settings.ts';
import type { DaemonInstance } from './instance-file.ts';

interface ServeOptions {
  readonly home: string;
  readonly settings: DaemonSettings;
  readonly env: NodeJS.ProcessEnv;
  /** Called when the daemon takes work. */
  readonly ready: (instance: DaemonInstance) => void;
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
const INTERRUPTED_EXIT = 130;
const DISK_FAILED_EXIT = 1;

/** Refuses the switch of the runtime that turns the verification of certificates off. */
function assertTlsVerifies(env: NodeJS.ProcessEnv): void {
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0') return;
  throw new PalyraError('config_invalid', 'NODE_TLS_REJECT_UNAUTHORIZED=0 would turn the verification of TLS off', {
    hint: 'unset NODE_TLS_REJECT_UNAUTHORIZED',
  });
}

/**
 * Runs a daemon until a signal asks for its end; the second signal ends it at once. Tells the service manager how it is.
 * Errors: those of `startDaemon`.
 */
export async function serveUntilStopped({ home, settings, env, ready }: ServeOptions): Promise<void> {
  assertTlsVerifies(env);
  // Key derivation and look-ups of names share the pool of the runtime: one slow look-up must not hold pairing up.
  env['UV_THREADPOOL_SIZE'] ??= '8';
  const log = makeLogger({ level: settings.log_level, component: 'daemon' });
  const clock = systemClock;
  const asked = Promise.withResolvers<string>();
  let signals = 0;
  const onSignal = (signal: string): void => {
    signals += 1;
    if (signals === 1) asked.resolve(signal);
    else process.exit(INTERRUPTED_EXIT);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const notifier = startNotifier(env, clock, log);
  // Nothing else need keep the process alive while it waits for its end.
  const alive = setInterval(() => undefined, 60_000);
  try {
    const daemon = await startDaemon({
      home,
      settings,
      clock,
      log,
      onDiskFailure: (cause) => {
        log.fatal({ err: cause }, 'the disk failed: ending, so that the next start recovers what is really on it');
        process.exit(DISK_FAILED_EXIT);
      },
    });
    notifier.ready(`nodes on ${daemon.instance.node_address}`);
    ready(daemon.instance);
    const signal = await asked.promise;
    notifier.stopping(`stopping after ${signal}`);
    await daemon.stop();
  } finally {
    clearInterval(alive);
    notifier.close();
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}
