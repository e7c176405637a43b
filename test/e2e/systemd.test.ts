// The built binary as an owner installs it: daemon and node as services of one machine, through all that happens to a
// machine. The contract of the command line is all that this relies on.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { skipUnless } from '../support/require.ts';
import {
  document,
  filesOf,
  palyra,
  type ServiceDocument,
  type UninstallDocument,
  unitNow,
} from '../support/stand-in-box.ts';
import { type BoxResult, SystemdBox, skipWithoutBox, until } from '../support/systemd-box.ts';

const BINARY = join(dirname(dirname(import.meta.dirname)), 'dist', 'palyra');
const HOME = '/var/lib/palyra';
const NODE = 'box-1';
const ROLES = ['daemon', 'node'] as const;

const skip = skipWithoutBox() || skipUnless(existsSync(BINARY), 'dist/palyra is missing: npm run build');

interface NodeStatus {
  readonly paired: boolean;
  readonly connected: boolean;
  readonly service: ServiceDocument;
}

describe('daemon and node as services, from the built binary', { skip, timeout: 600_000 }, () => {
  let box: SystemdBox;
  let pristine: string[];

  before(async () => {
    box = await SystemdBox.start({ binds: { '/usr/local/bin/palyra': BINARY } });
    await box.sh('useradd --create-home op');
    pristine = await filesOf(box);
  });
  after(async () => {
    await box.destroy();
  });

  type Run = (...words: readonly string[]) => Promise<BoxResult>;
  const asRoot: Run = (...words) => palyra(box, ...words);
  const asOp: Run = (...words) => box.as('op', ['/usr/local/bin/palyra', ...words]);

  /** Pairs a node with the daemon of the same asker, as two people would. */
  async function pair(run: Run): Promise<void> {
    const { pin } = document<{ pin: string }>(await run('pairing', 'code', '--json'));
    const words = ['node', 'pair', pin, '--daemon', '127.0.0.1:7443', '--name', NODE, '--allow', 'shell.execute'];
    const paired = run(...words, '--json');
    let request = '';
    await until('the request to pair', async () => {
      const { requests } = document<{ requests: { request_id: string; state: string }[] }>(
        await run('pairing', 'list', '--json'),
      );
      request = requests.find(({ state }) => state === 'pending_approval')?.request_id ?? '';
      return request !== '';
    });
    document(await run('pairing', 'approve', request, '--json'));
    const { state } = document<{ state: string }>(await paired);
    assert.match(state, /^(approved|completed)$/);
  }

  /** Runs a command on the node, as soon as it is online again. */
  async function answers(run: Run): Promise<void> {
    let last: BoxResult | undefined;
    try {
      await until('the node to run a command', async () => {
        last = await run('nodes', 'exec', NODE, '--json', '--', 'sh', '-c', 'echo out; id -un');
        return last.code === 0;
      });
    } catch (cause) {
      throw new Error(`the node does not run a command: ${last?.stderr}`, { cause });
    }
  }

  const isBack = (role: 'daemon' | 'node', formerPid: number) =>
    until(`${role} to come back`, async () => {
      const { active, pid } = await unitNow(box, role);
      return active && pid !== formerPid;
    });

  test('install, pair, approve, install: a command runs under the user of the node', async () => {
    document(await asRoot('daemon', 'install', '--json'));
    await pair(asRoot);
    document(await asRoot('node', 'install', '--json'));
    await answers(asRoot);
    const { stdout } = await asRoot('nodes', 'exec', NODE, '--', 'id', '-un');
    assert.equal(stdout, 'palyra-node\n');
    const status = document<NodeStatus>(await asRoot('node', 'status', '--json'));
    assert.deepEqual([status.paired, status.connected, status.service.state], [true, true, 'running']);
    assert.equal(status.service.user, 'palyra-node');
    assert.equal(await box.sh(`find ${HOME}/node ! -user palyra-node; find ${HOME}/daemon ! -user palyra`), '');
  });

  test('what runs on a node cannot read the keys of the daemon beside it', async () => {
    const read = await asRoot('nodes', 'exec', NODE, '--', 'cat', `${HOME}/daemon/admin-token`);
    // The answer of cat itself: it ran, and was refused.
    assert.equal(read.code, 1);
    assert.match(read.stderr, /Permission denied/);
  });

  test('kill -9 of the node, and of the daemon: both are back and a command runs', async () => {
    for (const role of ['node', 'daemon'] as const) {
      const { pid } = await unitNow(box, role);
      await box.sh(`kill -9 ${pid}`);
      await isBack(role, pid);
      await answers(asRoot);
    }
  });

  test('a daemon that hangs is started again', async () => {
    await box.sh(
      'mkdir -p /run/systemd/system/palyra-daemon.service.d && ' +
        'printf "[Service]\\nWatchdogSec=3\\n" >/run/systemd/system/palyra-daemon.service.d/t.conf && ' +
        'systemctl daemon-reload && systemctl restart palyra-daemon',
    );
    const { pid } = await unitNow(box, 'daemon');
    await box.sh('sleep 4');
    assert.equal((await unitNow(box, 'daemon')).pid, pid, 'a daemon that serves feeds its watchdog');
    await box.sh(`kill -STOP ${pid}`);
    await isBack('daemon', pid);
    await answers(asRoot);
    await box.sh('rm -r /run/systemd/system/palyra-daemon.service.d && systemctl daemon-reload');
  });

  test('what a node runs ends with it', async () => {
    const running = asRoot('nodes', 'exec', NODE, '--json', '--', 'sh', '-c', 'setsid sleep 98765 & sleep 98765');
    const sleepers = async () => (await box.exec(['pgrep', '-f', '^sleep 98765$'])).stdout.split('\n').filter(Boolean);
    await until('both to run', async () => (await sleepers()).length === 2);
    const { pid } = await unitNow(box, 'node');
    await box.sh(`kill -9 ${pid}`);
    await isBack('node', pid);
    assert.deepEqual(await sleepers(), []);
    assert.equal((await running).code, 125);
  });

  test('a reboot and a power cut: both are back and a command runs', async () => {
    await box.reboot();
    for (const role of ROLES) await isBack(role, 0);
    await answers(asRoot);
    await box.crash();
    await box.boot();
    for (const role of ROLES) await isBack(role, 0);
    await answers(asRoot);
  });

  test('hardened: a command runs', async () => {
    for (const role of ROLES) {
      const { service } = document<{ service: ServiceDocument }>(await asRoot(role, 'install', '--hardened', '--json'));
      assert.deepEqual([service.state, service.hardened], ['running', true]);
    }
    await answers(asRoot);
  });

  test('stop, and what uninstall and purge leave', async () => {
    for (const role of ['node', 'daemon'] as const) {
      const { service } = document<{ service: ServiceDocument }>(await asRoot(role, 'stop', '--json'));
      assert.deepEqual([service.state, service.pid], ['stopped', null]);
      const report = document<UninstallDocument>(await asRoot(role, 'uninstall', '--json'));
      assert.equal(report.left[0]?.startsWith(`${HOME}/${role}`), true);
    }
    assert.equal((await box.exec(['pgrep', '-f', '/usr/local/bin/palyra'])).code, 1);
    for (const role of ROLES) {
      const report = document<UninstallDocument>(await asRoot(role, 'uninstall', '--purge', '--yes', '--json'));
      assert.deepEqual(report.left, []);
    }
    const now = await filesOf(box);
    // Whatever the operator of this test keeps of itself is not of a service.
    assert.deepEqual(
      now.filter((path) => !pristine.includes(path) && !/^\/var\/lib\/palyra(\/operator.*)?$/.test(path)),
      [],
    );
  });

  test('a binary started from where services must not start it is copied, and the copy goes with the service', async () => {
    await box.sh('mkdir /root/downloads && cp /usr/local/bin/palyra /root/downloads/palyra');
    const here = '/root/downloads/palyra';
    const copy = '/usr/local/lib/palyra/bin/palyra';
    const { service } = document<{ service: ServiceDocument }>(await box.exec([here, 'daemon', 'install', '--json']));
    assert.equal(await box.sh(`readlink /proc/${service.pid}/exe`), copy);
    document(await box.exec([copy, 'daemon', 'uninstall', '--purge', '--yes', '--json']));
    assert.equal((await box.exec(['ls', '/usr/local/lib/palyra'])).code, 2);
    await box.sh('rm -r /root/downloads');
  });

  test('of a user: installed, paired, and back after a reboot with nobody logged in', async () => {
    document(await asOp('daemon', 'install', '--user', '--json'));
    await pair(asOp);
    document(await asOp('node', 'install', '--user', '--json'));
    await answers(asOp);
    await box.reboot();
    await answers(asOp);
    for (const role of ROLES) {
      const report = document<UninstallDocument>(await asOp(role, 'uninstall', '--purge', '--yes', '--json'));
      assert.deepEqual(report.left, []);
    }
    assert.equal((await box.exec(['pgrep', '-u', 'op', '-f', 'palyra'])).code, 1);
    assert.equal(await box.sh('ls /var/lib/systemd/linger'), '');
  });
});
