import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import type { PairingRequestView } from '../../src/wire/views.ts';

export default class PairingReject extends OperatorCommand {
  static override summary = 'Turn a machine away.';
  static override aliases = ['nodes:reject'];
  static override examples = ['<%= config.bin %> <%= command.id %> 01K8 --reason "unknown machine"'];
  static override args = {
    request: Args.string({ description: 'id, unique prefix of it, or name', required: true, ignoreStdin: true }),
  };
  static override flags = {
    reason: Flags.string({ summary: 'Why; the machine is told.', helpValue: 'TEXT' }),
    json: Flags.boolean({ summary: 'Print the request as JSON.', helpGroup: 'OUTPUT' }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(PairingReject);
    const request = await this.withClient(flags, (client) =>
      client.call<PairingRequestView>('POST', `/api/v1/pairing/requests/${encodeURIComponent(args.request)}/reject`, {
        body: flags.reason === undefined ? {} : { reason: flags.reason },
      }),
    );
    if (flags.json) this.printJson(request);
    else process.stderr.write(`rejected ${request.request_id}\n`);
  }
}
