import * as Flags from '@oclif/core/flags';
import { formatOf, outputFlags } from '../../src/cli/base.ts';
import { pageFlags } from '../../src/cli/list-flags.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import { printList } from '../../src/cli/print-list.ts';
import { type NodesView, PRESENCES, TRUSTS } from '../../src/wire/views.ts';

export default class NodesList extends OperatorCommand {
  static override summary = 'List nodes and whether they are reachable.';
  static override aliases = ['nodes:ls'];
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --presence online -o name',
  ];
  static override flags = {
    presence: Flags.option({
      summary: 'Only nodes with this presence; may be repeated.',
      options: PRESENCES,
      multiple: true,
    })(),
    trust: Flags.option({
      summary: 'Only devices with this trust; may be repeated.',
      options: TRUSTS,
      multiple: true,
    })(),
    search: Flags.string({ summary: 'Only nodes with this in their name or host name.', helpValue: 'TEXT' }),
    ...pageFlags,
    ...outputFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(NodesList);
    const { presence, trust, search, limit, cursor } = flags;
    const { nodes, next_cursor: nextCursor } = await this.withClient(flags, (client) =>
      client.call<NodesView>('GET', '/api/v1/nodes', {
        query: { presence: presence?.join(','), trust: trust?.join(','), search, limit, cursor },
      }),
    );
    await printList({
      format: formatOf(flags),
      key: 'nodes',
      rows: nodes,
      nextCursor,
      name: ({ name }) => name,
      columns: async () => (await import('../../src/cli/node-columns.ts')).nodeColumns(Date.now()),
      empty: 'no nodes; pair one with `palyra pairing code`',
      print: (line) => this.log(line),
      printJson: (document) => this.printJson(document),
    });
  }
}
