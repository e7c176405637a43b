import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../src/cli/base.ts';
import { confirm } from '../../src/cli/confirm.ts';

export default class NodeUnpair extends BaseCommand {
  static override summary = 'End the pairing of this machine, at the daemon and here.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> --yes',
    {
      description: 'here alone: for the image of a machine',
      command: '<%= config.bin %> <%= command.id %> --local --yes',
    },
  ];
  static override flags = {
    local: Flags.boolean({ summary: 'Forget the pairing here and tell nobody.' }),
    yes: Flags.boolean({ char: 'y', summary: 'Do not ask.' }),
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(NodeUnpair);
    await confirm('end the pairing of this machine? Its key and certificate are removed.', flags.yes);
    const { unpairNode } = await import('../../src/node/unpair-node.ts');
    await unpairNode({ home: this.homeOf(flags), local: flags.local });
    process.stderr.write(
      flags.local
        ? 'unpaired here; a daemon that knows this machine still lists it: palyra nodes revoke there\n'
        : 'unpaired\n',
    );
  }
}
