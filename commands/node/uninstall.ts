import * as Flags from '@oclif/core/flags';
import { formatOf } from '../../src/cli/base.ts';
import { confirm } from '../../src/cli/confirm.ts';
import { ServiceCommand, serviceFlags } from '../../src/cli/service-command.ts';

export default class NodeUninstall extends ServiceCommand {
  static override summary = 'Stop the node host and take it away from the operating system.';
  static override description =
    'Keys and state stay, so that a later install goes on with them; --purge removes them too.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %>',
    { description: 'and everything that it knows', command: 'sudo <%= config.bin %> <%= command.id %> --purge --yes' },
  ];
  static override flags = {
    ...serviceFlags,
    purge: Flags.boolean({ summary: 'Also remove its keys, its state and the user made for it.' }),
    yes: Flags.boolean({ char: 'y', summary: 'Do not ask.' }),
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(NodeUninstall);
    const { localService } = await import('../../src/service/local-service.ts');
    const { purge, yes } = flags;
    if (purge) await confirm('remove the identity of this node for good?', yes);
    const service = localService({ role: 'node', scope: this.scopeOf(flags) });
    const report = await service.uninstall({ purge, home: this.homeOf(flags) });
    const format = formatOf(flags);
    if (format === 'json') this.printJson(report);
    else if (format === 'ndjson') this.log(JSON.stringify(report));
    else if (!report.was_installed) this.tell('', ['no node service was installed']);
    this.tell('', report.changes);
    this.tell('left: ', report.left);
    if (flags.purge) this.tell('', ['if it was paired: on the daemon, palyra nodes revoke NAME']);
  }
}
