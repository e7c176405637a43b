import { BaseCommand, formatOf, outputFlags } from '../../src/cli/base.ts';
import { daemonSettingsFlags, settingsOfFlags } from '../../src/cli/daemon-settings-flags.ts';
import { printList } from '../../src/cli/print-list.ts';

export default class DaemonConfig extends BaseCommand {
  static override summary = 'Show each setting of the daemon, with the flag, variable or file that it comes from.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    {
      description: 'what a start with these flags would use',
      command: '<%= config.bin %> <%= command.id %> --node-listen 0.0.0.0:8443',
    },
  ];
  static override flags = { ...daemonSettingsFlags, ...outputFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(DaemonConfig);
    const { readSettings } = await import('../../src/daemon/read-settings.ts');
    const { shownSettings } = await import('../../src/daemon/shown-settings.ts');
    const read = readSettings({ home: this.homeOf(flags), flags: settingsOfFlags(flags), env: process.env });
    await printList({
      format: formatOf(flags),
      key: 'settings',
      rows: shownSettings(read),
      nextCursor: null,
      name: ({ name }) => name,
      columns: async () => [
        { head: 'SETTING', cell: ({ name }) => name },
        { head: 'VALUE', cell: ({ value }) => String(value) },
        { head: 'FROM', cell: ({ origin }) => origin },
        { head: 'MEANS', cell: ({ meaning }) => meaning },
      ],
      empty: 'no settings',
      print: (line) => this.log(line),
      printJson: (document) => this.printJson(document),
    });
  }
}
