import * as Args from '@oclif/core/args';
import { formatOf, outputFlags } from '../../src/cli/base.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import { printPairingRequest } from '../../src/cli/pairing-requests.ts';
import type { PairingRequestView } from '../../src/wire/views.ts';

export default class PairingShow extends OperatorCommand {
  static override summary = 'Show what a machine claims and asks for, and what to compare.';
  static override examples = ['<%= config.bin %> <%= command.id %> 01K8'];
  static override args = {
    request: Args.string({ description: 'id, unique prefix of it, or name', required: true, ignoreStdin: true }),
  };
  static override flags = { ...outputFlags };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(PairingShow);
    const request = await this.withClient(flags, (client) =>
      client.call<PairingRequestView>('GET', `/api/v1/pairing/requests/${encodeURIComponent(args.request)}`),
    );
    await printPairingRequest(request, formatOf(flags), {
      print: (line) => this.log(line),
      printJson: (document) => this.printJson(document),
    });
  }
}
