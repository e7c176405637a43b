import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  document,
  failure,
  filesOf,
  type InstallDocument,
  pairedHome,
  palyra,
  type ServiceDocument,
  standInBox,
  type UninstallDocument,
} from '../support/stand-in-box.ts';
import { type SystemdBox, skipWithoutBox, until } from '../support/systemd-box.ts';

const USER_HOME = '/home/op';
const HOME = `${USER_HOME}/.local/state/palyra`;
const BINARY = ['--binary', '/usr/local/bin/stand-in'];

describe('services of a user, on a real systemd', { skip: skipWithoutBox(), timeout: 180_000 }, () => {
  let box: SystemdBox;
  let pristine: string[];

  before(async () => {
    box = await standInBox();
    await box.sh('useradd --create-home op');
    const made = await box.as('op', ['sh', '-c', pairedHome(HOME)]);
    assert.equal(made.code, 0, made.stderr);
    pristine = await filesOf(box);
  });
  after(async () => {
    await box.destroy();
  });

  const asOp = (...words: readonly string[]) => box.as('op', ['/usr/local/bin/palyra', ...words]);

  test('a user cannot register services of the machine, and root none of a user', async () => {
    const { exit, error } = failure(await asOp('node', 'install', '--system', '--json', ...BINARY));
    assert.deepEqual([exit, error.code], [7, 'no_permission']);
    assert.match(error.hint ?? '', /sudo .*--user/);
    await box.sh(pairedHome('/root/p'));
    const words = ['node', 'install', '--user', '--json', '--home', '/root/p', ...BINARY];
    assert.equal(failure(await palyra(box, ...words)).error.code, 'usage');
    await box.sh('rm -r /root/p');
  });

  test('where the system does not let the user linger, it says what an admin has to do', async () => {
    await box.sh('systemctl mask --now polkit');
    const { exit, error } = failure(await asOp('node', 'install', '--require-linger', '--json', ...BINARY));
    await box.sh('systemctl unmask polkit');
    assert.deepEqual([exit, error.code, error.hint], [7, 'no_permission', 'sudo loginctl enable-linger op']);
    assert.equal((await box.exec(['ls', `${USER_HOME}/.config/systemd`])).code, 2);
  });

  test('an install by a user is one of that user, and runs without a login', async () => {
    const report = document<InstallDocument>(await asOp('node', 'install', '--json', ...BINARY));
    assert.deepEqual(
      [report.service.state, report.service.scope, report.service.user, report.service.unit, report.warnings],
      ['running', 'user', 'op', `${USER_HOME}/.config/systemd/user/palyra-node.service`, []],
    );
    assert.equal(report.service.status_text, 'serving as node');
    assert.equal(await box.sh(`stat -c %U /proc/${report.service.pid}`), 'op');
    assert.equal(await box.sh('ls /var/lib/systemd/linger'), 'op');
    const again = document<InstallDocument>(await asOp('node', 'install', '--json', ...BINARY));
    assert.deepEqual([again.unit, again.service.pid], ['unchanged', report.service.pid]);
  });

  test('kill -9, stop, start and a reboot with nobody logged in', async () => {
    const run = async (verb: string) =>
      document<{ service: ServiceDocument }>(await asOp('node', verb, '--json')).service;
    const { pid } = await run('restart');
    await box.sh(`kill -9 ${pid}`);
    const show = ['systemctl', '--user', 'show', 'palyra-node', '-p', 'ActiveState,MainPID'];
    const isBack = () =>
      until('the node to come back', async () => {
        const { stdout } = await box.as('op', show);
        return stdout.includes('ActiveState=active') && !stdout.includes(`MainPID=${pid}\n`);
      });
    await isBack();
    assert.equal((await run('stop')).state, 'stopped');
    assert.equal((await run('start')).state, 'running');
    await box.reboot();
    await isBack();
  });

  test('hardened, as far as a user can have it', async () => {
    for (const role of ['daemon', 'node']) {
      const words = [role, 'install', '--hardened', '--json', ...BINARY];
      const { service } = document<InstallDocument>(await asOp(...words));
      assert.deepEqual([service.state, service.hardened, service.scope], ['running', true, 'user']);
    }
    const report = document<UninstallDocument>(await asOp('daemon', 'uninstall', '--purge', '--yes', '--json'));
    assert.deepEqual(report.left, []);
    // The node still needs it, and ends it at last, whichever of the two made it.
    assert.equal(await box.sh('ls /var/lib/systemd/linger'), 'op');
    document(await asOp('daemon', 'install', '--json', ...BINARY));
    document(await asOp('node', 'uninstall', '--json'));
    document(await asOp('node', 'install', '--json', ...BINARY));
    document(await asOp('daemon', 'uninstall', '--purge', '--yes', '--json'));
  });

  test('a service of the machine is not stopped by a user', async () => {
    await box.sh(pairedHome('/var/lib/palyra'));
    document(await palyra(box, 'node', 'install', '--json', ...BINARY));
    const { error } = failure(await asOp('node', 'stop', '--system', '--json'));
    assert.equal(error.code, 'no_permission');
    assert.equal(await box.sh('systemctl is-active palyra-node'), 'active');
    document(await palyra(box, 'node', 'uninstall', '--purge', '--yes', '--json'));
  });

  test('a program that was started from where it cannot stay is copied, and the copy removed at the end', async () => {
    // The same decision as for the packed binary, which this CLI is not: asked of the room itself.
    const script = `
      import { systemdInstall } from '/palyra/src/service/systemd-install.ts';
      import { thisMachine } from '/palyra/src/service/service-machine.ts';
      import { stableBinary } from '/palyra/src/service/stable-binary.ts';
      const machine = thisMachine();
      const of = (path) => stableBinary(path, 'system', machine);
      const first = of('/tmp/p'); first.keep();
      const second = of('/tmp/p'); second.undo();
      console.log(JSON.stringify([of('/usr/local/bin/stand-in').path, first.path, second.copied]));`;
    await box.sh('cp /usr/local/bin/stand-in /tmp/p');
    const { stdout } = await box.exec(['node', '--input-type=module', '-e', script]);
    const copy = '/usr/local/lib/palyra/bin/palyra';
    assert.deepEqual(JSON.parse(stdout), ['/usr/local/bin/stand-in', copy, true]);
    assert.equal(await box.sh(`ls /usr/local/lib/palyra/bin; stat -c %a,%U ${copy}`), 'palyra\n755,root');
    await box.sh(pairedHome('/var/lib/palyra'));
    document(await palyra(box, 'node', 'install', '--json', '--binary', copy));
    const report = document<UninstallDocument>(await palyra(box, 'node', 'uninstall', '--purge', '--yes', '--json'));
    assert.ok(report.changes.includes(`removed ${copy}`), report.changes.join());
    assert.equal((await box.exec(['ls', '/usr/local/lib/palyra'])).code, 2);
  });

  test('purge by the user leaves nothing, and lingering is as it was', async () => {
    const report = document<UninstallDocument>(await asOp('node', 'uninstall', '--purge', '--yes', '--json'));
    assert.deepEqual(report.left, []);
    assert.equal(await box.sh('ls /var/lib/systemd/linger'), '');
    const now = await filesOf(box);
    assert.deepEqual(
      now.filter((path) => !pristine.includes(path)),
      [],
    );
    assert.equal((await box.exec(['ls', HOME])).code, 2);
  });
});
