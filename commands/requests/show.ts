import * as Args from '@oclif/core/args';
import { formatOf, outputFlags } from '../../src/cli/base.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import { printFacts } from '../../src/cli/print-list.ts';
import type { RequestView } from '../../src/wire/views.ts';

export default class RequestsShow extends OperatorCommand {
  static override summary = 'Show one request and what became of it.';
  static override examples = ['<%= config.bin %> <%= command.id %> 01K8ZJ4Q2N7M5W3V1T9R6P8XYC'];
  static override args = {
    request: Args.string({ description: 'id of the request', required: true, ignoreStdin: true }),
  };
  static override flags = { ...outputFlags };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(RequestsShow);
    const request = await this.withClient(flags, (client) =>
      client.call<RequestView>('GET', `/api/v1/requests/${encodeURIComponent(args.request)}`),
    );
    const format = formatOf(flags);
    if (format === 'json') this.printJson(request);
    else if (format === 'ndjson') this.log(JSON.stringify(request));
    else if (format === 'name') this.log(request.request_id);
    else {
      const { requestFacts } = await import('../../src/cli/request-columns.ts');
      await printFacts(requestFacts(request, Date.now()), (line) => this.log(line));
    }
  }
}
