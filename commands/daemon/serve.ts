import { BaseCommand } from '../../src/cli/base.ts';
import { daemonSettingsFlags, settingsOfFlags } from '../../src/cli/daemon-settings-flags.ts';

export default class DaemonServe extends BaseCommand {
  static override summary = 'Run the daemon in the foreground, until it is told to stop.';
  static override description =
    'Makes its authority and keys at the first start. Settings come from flags, then PALYRA_* variables, then ' +
    '<home>/daemon/daemon.json; "palyra daemon config" shows each with its origin. Log lines are JSON on standard error.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    {
      description: 'on other ports',
      command: '<%= config.bin %> <%= command.id %> --node-listen 0.0.0.0:8443 --operator-listen 127.0.0.1:8480',
    },
    { description: 'as a service of the system instead', command: 'sudo <%= config.bin %> daemon install' },
  ];
  static override flags = daemonSettingsFlags;

  override async run(): Promise<void> {
    const { flags } = await this.parse(DaemonServe);
    const { readSettings } = await import('../../src/daemon/read-settings.ts');
    const { serveUntilStopped } = await import('../../src/daemon/serve-until-stopped.ts');
    const home = this.homeOf(flags);
    const { values: settings } = readSettings({ home, flags: settingsOfFlags(flags), env: process.env });
    await serveUntilStopped({
      home,
      settings,
      env: process.env,
      ready: ({ node_address, operator_address, operator_socket }) => {
        if (!process.stderr.isTTY) return;
        const operators = [operator_socket, operator_address === null ? null : `http://${operator_address}`];
        process.stderr.write(
          `nodes      ${node_address}\noperators  ${operators.filter((it) => it !== null).join(' and ')}\n` +
            'next, to let a machine join: palyra pairing code\n',
        );
      },
    });
  }
}
