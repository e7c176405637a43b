import * as Args from '@oclif/core/args';
import { OperatorCommand } from '../../src/cli/operator-command.ts';

export default class PairingRevoke extends OperatorCommand {
  static override summary = 'End a code before its time.';
  static override examples = ['<%= config.bin %> <%= command.id %> 01K8ZJ4Q2N7M5W3V1T9R6P8XYC'];
  static override args = {
    code: Args.string({
      description: 'id of the code, as it was printed when it was made',
      required: true,
      ignoreStdin: true,
    }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(PairingRevoke);
    await this.withClient(flags, (client) =>
      client.call('DELETE', `/api/v1/pairing/codes/${encodeURIComponent(args.code)}`),
    );
    process.stderr.write(`revoked ${args.code}\n`);
  }
}
