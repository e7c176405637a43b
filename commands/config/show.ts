import { formatOf, outputFlags } from '../../src/cli/base.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import { printList } from '../../src/cli/print-list.ts';
import { operatorSettings, type Setting } from '../../src/cli/settings.ts';

export default class ConfigShow extends OperatorCommand {
  static override summary = 'Show the settings of the operator commands and where each comes from.';
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];
  static override flags = { ...outputFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(ConfigShow);
    const settings = operatorSettings(this.homeOf(flags), flags, this.argv);
    await printList<Setting>({
      format: formatOf(flags),
      key: 'settings',
      rows: settings,
      nextCursor: null,
      name: ({ name }) => name,
      columns: async () => [
        { head: 'SETTING', cell: ({ name }) => name },
        { head: 'VALUE', cell: ({ value }) => value },
        { head: 'FROM', cell: ({ origin }) => origin },
      ],
      empty: 'no settings',
      print: (line) => this.log(line),
      printJson: (document) => this.printJson(document),
    });
  }
}
