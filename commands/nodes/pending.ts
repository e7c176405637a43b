import { formatOf, outputFlags } from '../../src/cli/base.ts';
import { pageFlags } from '../../src/cli/list-flags.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import { printPairingRequests } from '../../src/cli/pairing-requests.ts';

export default class NodesPending extends OperatorCommand {
  static override summary = 'List machines that wait for a decision.';
  static override examples = ['<%= config.bin %> <%= command.id %>'];
  static override flags = { ...pageFlags, ...outputFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(NodesPending);
    const { limit, cursor } = flags;
    await this.withClient(flags, (client) =>
      printPairingRequests(client, { state: 'pending_approval', limit, cursor }, formatOf(flags), {
        print: (line) => this.log(line),
        printJson: (document) => this.printJson(document),
      }),
    );
  }
}
