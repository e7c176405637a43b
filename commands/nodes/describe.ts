import * as Args from '@oclif/core/args';
import { formatOf, outputFlags } from '../../src/cli/base.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import { printFacts } from '../../src/cli/print-list.ts';
import type { NodeView } from '../../src/wire/views.ts';

export default class NodesDescribe extends OperatorCommand {
  static override summary = 'Show everything that is known of a node.';
  static override aliases = ['nodes:show'];
  static override examples = ['<%= config.bin %> <%= command.id %> web-1'];
  static override args = {
    node: Args.string({ description: 'name, id or unique prefix of an id', required: true, ignoreStdin: true }),
  };
  static override flags = { ...outputFlags };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(NodesDescribe);
    const node = await this.withClient(flags, (client) =>
      client.call<NodeView>('GET', `/api/v1/nodes/${encodeURIComponent(args.node)}`),
    );
    const format = formatOf(flags);
    if (format === 'json') this.printJson(node);
    else if (format === 'ndjson') this.log(JSON.stringify(node));
    else if (format === 'name') this.log(node.name);
    else {
      const { nodeFacts } = await import('../../src/cli/node-columns.ts');
      await printFacts(nodeFacts(node, Date.now()), (line) => this.log(line));
    }
  }
}
