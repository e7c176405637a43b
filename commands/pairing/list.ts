import * as Flags from '@oclif/core/flags';
import { formatOf, outputFlags } from '../../src/cli/base.ts';
import { pageFlags } from '../../src/cli/list-flags.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import { printPairingRequests } from '../../src/cli/pairing-requests.ts';
import { PAIRING_STATES } from '../../src/wire/views.ts';

export default class PairingList extends OperatorCommand {
  static override summary = 'List machines that asked to join, newest first.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --state pending_approval --json',
  ];
  static override flags = {
    state: Flags.option({ summary: 'Only requests in this state.', options: PAIRING_STATES })(),
    ...pageFlags,
    ...outputFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(PairingList);
    const { state, limit, cursor } = flags;
    await this.withClient(flags, (client) =>
      printPairingRequests(client, { state, limit, cursor }, formatOf(flags), {
        print: (line) => this.log(line),
        printJson: (document) => this.printJson(document),
      }),
    );
  }
}
