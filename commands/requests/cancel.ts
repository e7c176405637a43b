import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import type { RequestView } from '../../src/wire/views.ts';

export default class RequestsCancel extends OperatorCommand {
  static override summary = 'End a request: its whole process tree on the node.';
  static override examples = ['<%= config.bin %> <%= command.id %> 01K8ZJ4Q2N7M5W3V1T9R6P8XYC'];
  static override args = {
    request: Args.string({ description: 'id of the request', required: true, ignoreStdin: true }),
  };
  static override flags = {
    reason: Flags.string({ summary: 'Why; kept in the audit.', helpValue: 'TEXT' }),
    json: Flags.boolean({ summary: 'Print the request as JSON.', helpGroup: 'OUTPUT' }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(RequestsCancel);
    const request = await this.withClient(flags, (client) =>
      client.call<RequestView>('POST', `/api/v1/requests/${encodeURIComponent(args.request)}/cancel`, {
        body: flags.reason === undefined ? {} : { reason: flags.reason },
      }),
    );
    if (flags.json) this.printJson(request);
    else process.stderr.write(`asked for the end of ${request.request_id}: ${request.state}\n`);
  }
}
