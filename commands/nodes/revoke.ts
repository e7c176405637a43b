import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { confirm } from '../../src/cli/confirm.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import type { NodeView } from '../../src/wire/views.ts';

export default class NodesRevoke extends OperatorCommand {
  static override summary = 'Cut a node off for good: its certificate, its stream and its open work.';
  static override examples = ['<%= config.bin %> <%= command.id %> web-1 --reason "sold" --yes'];
  static override args = {
    node: Args.string({ description: 'name, id or unique prefix of an id', required: true, ignoreStdin: true }),
  };
  static override flags = {
    reason: Flags.string({ summary: 'Why; kept in the audit.', helpValue: 'TEXT' }),
    yes: Flags.boolean({ char: 'y', summary: 'Do not ask.' }),
    json: Flags.boolean({ summary: 'Print the node as JSON.', helpGroup: 'OUTPUT' }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(NodesRevoke);
    await this.withClient(flags, async (client) => {
      const { device_id: deviceId, name } = await client.call<NodeView>(
        'GET',
        `/api/v1/nodes/${encodeURIComponent(args.node)}`,
      );
      await confirm(`revoke ${name} (${deviceId})? It loses its certificate and its open work ends.`, flags.yes);
      const node = await client.call<NodeView>('POST', `/api/v1/nodes/${deviceId}/revoke`, {
        body: flags.reason === undefined ? {} : { reason: flags.reason },
      });
      if (flags.json) this.printJson(node);
      else process.stderr.write(`revoked ${deviceId}\n`);
    });
  }
}
