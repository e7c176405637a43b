import * as Flags from '@oclif/core/flags';
import { formatOf, outputFlags } from '../../src/cli/base.ts';
import { pageFlags } from '../../src/cli/list-flags.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import { printList } from '../../src/cli/print-list.ts';
import { REQUEST_STATES, type RequestsView } from '../../src/wire/views.ts';

export default class RequestsList extends OperatorCommand {
  static override summary = 'List capability requests, newest first.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --node web-1 --state running --state queued',
  ];
  static override flags = {
    node: Flags.string({ char: 'n', summary: 'Only requests of this node.', helpValue: 'NODE' }),
    state: Flags.option({
      summary: 'Only requests in this state; may be repeated.',
      options: REQUEST_STATES,
      multiple: true,
    })(),
    capability: Flags.string({ summary: 'Only requests for this capability.', helpValue: 'NAME' }),
    ...pageFlags,
    ...outputFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(RequestsList);
    const { node, state, capability, limit, cursor } = flags;
    const page = await this.withClient(flags, (client) =>
      client.call<RequestsView>('GET', '/api/v1/requests', {
        query: { node, state: state?.join(','), capability, limit, cursor },
      }),
    );
    await printList({
      format: formatOf(flags),
      key: 'requests',
      rows: page.requests,
      nextCursor: page.next_cursor,
      name: ({ request_id: requestId }) => requestId,
      columns: async () => (await import('../../src/cli/request-columns.ts')).requestColumns(Date.now()),
      empty: 'no requests',
      print: (line) => this.log(line),
      printJson: (document) => this.printJson(document),
    });
  }
}
