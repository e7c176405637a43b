// What a service of ours looks like to systemd, without the rest: reports through the real notifier, leaves a child
// behind, drains on SIGTERM, and gets stuck on SIGUSR2. A file `fail` in its home makes it end before it is ready.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/kernel/clock.ts';
import { makeLogger } from '../../src/kernel/log.ts';
import { startNotifier } from '../../src/service/notify.ts';

const DRAIN_MS = 100;

const log = makeLogger({ level: 'info', component: 'stand-in' });
const notifier = startNotifier(process.env, systemClock, log);
const role = process.argv[2] ?? '';
const home = join(process.env['PALYRA_HOME'] ?? '', role);
if (existsSync(join(home, 'fail'))) {
  log.error('this was asked to fail');
  process.exit(3);
}
// As a command that leaves its session.
const child = spawn('sleep', ['100000'], { detached: true, stdio: 'ignore' });
child.unref();
// As a folder that a role has used looks.
mkdirSync(join(home, 'identity'), { recursive: true });
writeFileSync(join(home, 'child.pid'), `${child.pid}\n`);
process.once('SIGUSR2', () => {
  for (;;);
});
process.once('SIGTERM', () => {
  notifier.stopping('draining');
  log.info('draining');
  setTimeout(() => {
    notifier.close();
    process.exit(0);
  }, DRAIN_MS);
});
setInterval(() => undefined, 60_000);
notifier.ready(`serving as ${role}`);
log.info('ready');
