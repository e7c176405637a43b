import * as Flags from '@oclif/core/flags';
import { formatOf } from '../../src/cli/base.ts';
import { confirm } from '../../src/cli/confirm.ts';
import { ServiceCommand, serviceFlags } from '../../src/cli/service-command.ts';

export default class DaemonUninstall extends ServiceCommand {
  static override summary = 'Stop the daemon and take it away from the operating system.';
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
    const { flags } = await this.parse(DaemonUninstall);
    const { localService } = await import('../../src/service/local-service.ts');
    const { purge, yes } = flags;
    if (purge) await confirm('remove the certificate authority, every pairing and the whole history for good?', yes);
    const service = localService({ role: 'daemon', scope: this.scopeOf(flags) });
    const report = await service.uninstall({ purge, home: this.homeOf(flags) });
    const format = formatOf(flags);
    if (format === 'json') this.printJson(report);
    else if (format === 'ndjson') this.log(JSON.stringify(report));
    else if (!report.was_installed) this.tell('', ['no daemon service was installed']);
    this.tell('', report.changes);
    this.tell('left: ', report.left);
  }
}
