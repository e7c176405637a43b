import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { approvePairing } from '../../src/cli/approve-pairing.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';

export default class PairingApprove extends OperatorCommand {
  static override summary = 'Let a machine in, with exactly the capabilities that this prints.';
  static override aliases = ['nodes:approve'];
  static override examples = [
    '<%= config.bin %> <%= command.id %> 01K8',
    '<%= config.bin %> <%= command.id %> web-1 --capability system.health --capability filesystem.read',
  ];
  static override args = {
    request: Args.string({ description: 'id, unique prefix of it, or name', required: true, ignoreStdin: true }),
  };
  static override flags = {
    capability: Flags.string({
      summary: 'Grant only this; may be repeated.',
      helpValue: 'NAME',
      multiple: true,
    }),
    reason: Flags.string({ summary: 'Why; kept in the audit.', helpValue: 'TEXT' }),
    json: Flags.boolean({ summary: 'Print the request as JSON.', helpGroup: 'OUTPUT' }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(PairingApprove);
    const { capability, reason, json } = flags;
    const request = await this.withClient(flags, (client) =>
      approvePairing(client, { reference: args.request, capability, reason }),
    );
    if (json) this.printJson(request);
  }
}
