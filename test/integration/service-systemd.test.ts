import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  document,
  failure,
  filesOf,
  install,
  pairedHome,
  palyra,
  type Role,
  type ServiceDocument,
  standInBox,
  type UninstallDocument,
  unitNow,
} from '../support/stand-in-box.ts';
import { type SystemdBox, skipWithoutBox, until } from '../support/systemd-box.ts';

const HOME = '/var/lib/palyra';
const ROLES: readonly Role[] = ['daemon', 'node'];

// One machine, and its tests in the order in which its owner would live through them.
describe('services of the machine, on a real systemd', { skip: skipWithoutBox(), timeout: 300_000 }, () => {
  let box: SystemdBox;
  let pristine: string[];

  before(async () => {
    box = await standInBox();
    pristine = await filesOf(box);
  });
  after(async () => {
    await box.destroy();
  });

  const isBack = (role: Role, formerPid: number) =>
    until(`${role} to come back`, async () => {
      const { active, pid } = await unitNow(box, role);
      return active && pid !== formerPid;
    });

  test('nothing is installed at first, and that is an error with its own code', async () => {
    for (const verb of ['start', 'stop', 'restart', 'logs']) {
      const { exit, error } = failure(await palyra(box, 'node', verb, '--json'));
      assert.deepEqual([exit, error.code, error.hint], [6, 'service_not_installed', 'palyra node install']);
    }
    assert.equal(document<UninstallDocument>(await palyra(box, 'node', 'uninstall', '--json')).was_installed, false);
  });

  test('a node that is not paired is not registered', async () => {
    const { exit, error } = failure(
      await palyra(box, 'node', 'install', '--json', '--binary', '/usr/local/bin/stand-in'),
    );
    assert.deepEqual([exit, error.code], [7, 'not_paired']);
    assert.equal(await box.sh(`ls -d ${HOME} /etc/systemd/system/palyra* 2>/dev/null | wc -l`), '0');
  });

  test('an install gives the home that root made to the user of the service, and waits until it is ready', async () => {
    await box.sh(pairedHome(HOME));
    for (const role of ROLES) {
      const { service, unit, warnings } = await install(box, role);
      const user = role === 'daemon' ? 'palyra' : 'palyra-node';
      assert.equal(unit, 'created');
      assert.deepEqual(warnings, []);
      const { pid, uptime_ms: uptime, ...rest } = service as ServiceDocument & { home: string };
      assert.deepEqual(rest, {
        installed: true,
        enabled: true,
        state: 'running',
        restarts: 0,
        status_text: `serving as ${role}`,
        hardened: false,
        unit: `/etc/systemd/system/palyra-${role}.service`,
        scope: 'system',
        user,
        home: HOME,
      });
      assert.ok(uptime !== null && uptime >= 0 && uptime < 30_000, `uptime ${uptime}`);
      assert.equal(await box.sh(`stat -c %U /proc/${pid}`), user);
      assert.equal(await box.sh(`find ${HOME}/${role} ! -user ${user}`), '');
      assert.equal(await box.sh(`stat -c %a,%U ${HOME}/${role} ${HOME}`), `700,${user}\n711,root`);
      assert.equal(await box.sh(`getent passwd ${user} | cut -d: -f7`), '/usr/sbin/nologin');
    }
    const verified = await box.exec(['systemd-analyze', 'verify', ...ROLES.map((role) => `palyra-${role}.service`)]);
    assert.deepEqual(verified, { code: 0, stdout: '', stderr: '' });
  });

  test('the users of node and daemon cannot read what belongs to the other', async () => {
    const drop = (user: string) => ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--'];
    for (const [user, folder] of [
      ['palyra-node', `${HOME}/daemon`],
      ['palyra', `${HOME}/node`],
    ] as const) {
      assert.notEqual((await box.exec([...drop(user), 'ls', folder])).code, 0);
    }
  });

  test('a second install changes nothing and interrupts nothing', async () => {
    const { pid } = await unitNow(box, 'node');
    assert.equal((await install(box, 'node')).unit, 'unchanged');
    assert.equal((await unitNow(box, 'node')).pid, pid);
  });

  test('the environment of the manager reaches the program only as far as it is harmless', async () => {
    const planted = 'NODE_OPTIONS=--no-such-flag NODE_EXTRA_CA_CERTS=/x SSLKEYLOGFILE=/tmp/keys HARMLESS=1';
    await box.sh(`systemctl set-environment ${planted} && systemctl restart palyra-node`);
    const { pid } = await unitNow(box, 'node');
    const names = (await box.sh(`tr '\\0' '\\n' </proc/${pid}/environ | cut -d= -f1`)).split('\n');
    await box.sh('systemctl unset-environment NODE_OPTIONS NODE_EXTRA_CA_CERTS SSLKEYLOGFILE HARMLESS');
    assert.ok(names.includes('HARMLESS') && names.includes('PALYRA_HOME'), names.join());
    assert.deepEqual(
      names.filter((name) => /^(NODE_|SSL)/.test(name)),
      [],
    );
  });

  test('kill -9: it is back, and what it had started is gone', async () => {
    for (const role of ROLES) {
      const { pid } = await unitNow(box, role);
      const child = await box.sh(`cat ${HOME}/${role}/child.pid`);
      assert.equal((await box.exec(['kill', '-0', child])).code, 0);
      await box.sh(`kill -9 ${pid}`);
      await isBack(role, pid);
      assert.notEqual((await box.exec(['kill', '-0', child])).code, 0);
      assert.equal((await unitNow(box, role)).restarts, 1);
    }
  });

  test('a loop that is stuck is started again; a notifier that was killed is replaced', async () => {
    await box.sh(
      'mkdir -p /run/systemd/system/palyra-node.service.d && ' +
        'printf "[Service]\\nWatchdogSec=3\\n" >/run/systemd/system/palyra-node.service.d/t.conf && ' +
        'systemctl daemon-reload && systemctl restart palyra-node',
    );
    const { pid } = await unitNow(box, 'node');
    const first = await box.sh(`pgrep -P ${pid} -x sh`);
    await box.sh(`kill -9 ${first}`);
    await until('another notifier', async () => {
      const now = (await box.exec(['pgrep', '-P', String(pid), '-x', 'sh'])).stdout.trim();
      return now !== '' && now !== first;
    });
    // Longer than the watchdog waits: the new one feeds it.
    await box.sh('sleep 4');
    assert.equal((await unitNow(box, 'node')).pid, pid);
    await box.sh(`kill -USR2 ${pid}`);
    await isBack('node', pid);
    assert.match(await box.sh('journalctl -u palyra-node -o cat'), /Watchdog timeout/);
    await box.sh('rm -r /run/systemd/system/palyra-node.service.d && systemctl daemon-reload');
  });

  test('stop ends the service after its drain and nothing else; restart and start bring it back', async () => {
    // The same program under the same user, started by somebody else.
    const foreign = 'setpriv --reuid=palyra-node --regid=palyra-node --clear-groups -- env PALYRA_HOME=/var/lib/palyra';
    const other = await box.sh(`setsid ${foreign} /usr/local/bin/stand-in node run >/dev/null 2>&1 & echo $!`);
    const stopped = document<{ service: ServiceDocument }>(await palyra(box, 'node', 'stop', '--json')).service;
    assert.deepEqual([stopped.state, stopped.pid, stopped.enabled], ['stopped', null, true]);
    assert.match(await box.sh('journalctl -u palyra-node -o cat -n 20'), /"draining"/);
    assert.equal((await box.exec(['kill', '-0', other])).code, 0);
    await box.sh(`kill -9 ${other}; kill -9 $(cat ${HOME}/node/child.pid)`);
    const started = document<{ service: ServiceDocument }>(await palyra(box, 'node', 'start', '--json')).service;
    assert.equal(started.state, 'running');
    for (const flags of [[], ['--now']]) {
      const before = (await unitNow(box, 'node')).pid;
      const { service } = document<{ service: ServiceDocument }>(
        await palyra(box, 'node', 'restart', '--json', ...flags),
      );
      assert.equal(service.state, 'running');
      assert.notEqual(service.pid, before);
    }
    const now = document<{ service: ServiceDocument }>(await palyra(box, 'node', 'stop', '--now', '--json')).service;
    assert.equal(now.state, 'stopped');
    await palyra(box, 'node', 'start');
  });

  test('logs: the last lines as text, or one JSON document a line', async () => {
    const text = await palyra(box, 'node', 'logs', '--lines', '5');
    assert.equal(text.code, 0);
    assert.match(text.stdout, /"msg":"ready"/);
    const lines = (await palyra(box, 'node', 'logs', '--lines', '2', '-o', 'ndjson')).stdout.trim().split('\n');
    assert.equal(lines.length, 2);
    assert.ok(lines.every((line) => 'MESSAGE' in (JSON.parse(line) as object)));
  });

  test('a reboot and a power cut: both are back', async () => {
    await box.reboot();
    for (const role of ROLES) await isBack(role, 0);
    await box.crash();
    await box.boot();
    for (const role of ROLES) await isBack(role, 0);
    assert.equal(Number(await box.sh('journalctl --list-boots | wc -l')) >= 3, true);
  });

  test('an install that does not become ready says why and puts back what was there', async () => {
    await box.sh(`touch ${HOME}/node/fail`);
    const words = ['node', 'install', '--json', '--hardened', '--binary', '/usr/local/bin/stand-in'];
    const { exit, error } = failure(await palyra(box, ...words));
    assert.deepEqual([exit, error.code], [7, 'service_failed']);
    assert.match(error.message, /did not become ready/);
    assert.match(JSON.stringify(error.details), /this was asked to fail/);
    assert.doesNotMatch(await box.sh('cat /etc/systemd/system/palyra-node.service'), /ProtectSystem/);
    assert.equal(failure(await palyra(box, ...words, '--as-root')).error.code, 'service_failed');
    assert.equal(await box.sh(`find ${HOME}/node ! -user palyra-node`), '');
    await box.sh(`rm ${HOME}/node/fail`);
    await isBack('node', 0);
    assert.equal(await box.sh(`stat -c %U /proc/${(await unitNow(box, 'node')).pid}`), 'palyra-node');
  });

  test('hardened: both run, the node still owns its control groups, and the profile is shown', async () => {
    for (const role of ROLES) {
      const { service, unit } = await install(box, role, '--hardened');
      assert.deepEqual([unit, service.hardened, service.state], ['replaced', true, 'running']);
    }
    const { pid } = await unitNow(box, 'node');
    const group = (await box.sh(`cat /proc/${pid}/cgroup`)).split('::')[1];
    const make = `nsenter -t ${pid} -m setpriv --reuid=palyra-node --regid=palyra-node --clear-groups mkdir`;
    await box.sh(`${make} /sys/fs/cgroup${group}/req-1`);
    const exposure = await box.sh('systemd-analyze security --no-pager palyra-daemon.service | tail -1');
    assert.match(exposure, /: [0-3]\.\d OK/);
  });

  test('root and another user only where they are asked for', async () => {
    await box.sh('id worker >/dev/null 2>&1 || useradd --system worker');
    const other = await install(box, 'node', '--run-as', 'worker');
    assert.equal(other.service.user, 'worker');
    assert.equal(await box.sh(`find ${HOME}/node ! -user worker`), '');
    const root = await install(box, 'node', '--as-root');
    assert.equal(root.service.user, 'root');
    assert.match(root.warnings.join(), /runs as root/);
    const { error } = failure(
      await palyra(box, 'node', 'install', '--json', '--run-as', 'root', '--binary', '/bin/true'),
    );
    assert.equal(error.code, 'usage');
    assert.equal((await install(box, 'node')).service.user, 'palyra-node');
    assert.equal(await box.sh(`find ${HOME}/node ! -user palyra-node`), '');
    await box.sh('userdel worker');
  });

  test('a home whose name means something to systemd and to a shell', async () => {
    const home = `/srv/a "b" %h $HOME 'c' \\d;`;
    await box.exec(['mkdir', '-p', '-m', '700', `${home}/node`]);
    await box.exec(['cp', `${HOME}/node/node-host.json`, `${home}/node/`]);
    for (const flags of [[], ['--hardened']]) {
      const { service } = await install(box, 'node', '--home', home, ...flags);
      assert.equal(service.state, 'running');
      const environment = await box.exec(['cat', `/proc/${service.pid}/environ`]);
      assert.ok(environment.stdout.split('\0').includes(`PALYRA_HOME=${home}`), environment.stdout);
    }
    document(await palyra(box, 'node', 'uninstall', '--purge', '--yes', '--json'));
    assert.equal((await box.exec(['ls', home])).code, 2);
    await install(box, 'node');
  });

  test('a unit of our name that somebody else wrote is not touched', async () => {
    await box.sh('systemctl stop palyra-daemon; cp /etc/systemd/system/palyra-daemon.service /root/kept');
    await box.sh('printf "[Service]\\nExecStart=/bin/true\\n" >/etc/systemd/system/palyra-daemon.service');
    for (const words of [['install', '--binary', '/usr/local/bin/stand-in'], ['uninstall']]) {
      assert.equal(failure(await palyra(box, 'daemon', ...words, '--json')).error.code, 'conflict');
    }
    await box.sh('mv /root/kept /etc/systemd/system/palyra-daemon.service; systemctl daemon-reload');
    await palyra(box, 'daemon', 'start');
  });

  test('uninstall leaves keys and their user, purge leaves nothing', async () => {
    const first = document<UninstallDocument>(await palyra(box, 'node', 'uninstall', '--json'));
    assert.equal(first.was_installed, true);
    assert.deepEqual(
      first.left.map((line) => line.split(':')[0]),
      [`${HOME}/node`, 'the system user palyra-node, which owns what is left'],
    );
    assert.equal((await box.exec(['systemctl', 'cat', 'palyra-node'])).code, 1);
    assert.equal((await box.exec(['pgrep', '-u', 'palyra-node'])).code, 1);
    const again = await install(box, 'node');
    assert.equal(again.unit, 'created');
    assert.equal(failure(await palyra(box, 'node', 'uninstall', '--purge', '--json')).error.code, 'usage');
    for (const role of ROLES) {
      const report = document<UninstallDocument>(await palyra(box, role, 'uninstall', '--purge', '--yes', '--json'));
      assert.deepEqual(report.left, []);
    }
    const now = await filesOf(box);
    assert.deepEqual(
      [now.filter((path) => !pristine.includes(path)), pristine.filter((path) => !now.includes(path))],
      [[], []],
    );
    assert.equal((await box.exec(['getent', 'passwd', 'palyra', 'palyra-node'])).stdout, '');
    assert.equal(await box.sh("systemctl list-units --all 'palyra-*' --no-legend"), '');
  });
});
