import { BaseCommand } from '../../src/cli/base.ts';

export default class DaemonConfig extends BaseCommand {
  static override summary = 'Show each setting of the daemon with its origin.';
  static override examples = ['<%= config.bin %> <%= command.id %>'];

  override async run(): Promise<void> {
    const { flags } = await this.parse(DaemonConfig);
    this.log(this.homeOf(flags));
  }
}
