import * as Flags from '@oclif/core/flags';
import { formatOf } from '../../src/cli/base.ts';
import { ServiceCommand, serviceFlags } from '../../src/cli/service-command.ts';

const LINES = 100;

export default class DaemonLogs extends ServiceCommand {
  static override summary = 'Show what the installed daemon has logged.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %>',
    'sudo <%= config.bin %> <%= command.id %> --follow --lines 20',
    'sudo <%= config.bin %> <%= command.id %> -o ndjson',
  ];
  static override flags = {
    ...serviceFlags,
    follow: Flags.boolean({ char: 'f', summary: 'Go on with what comes.' }),
    lines: Flags.integer({ char: 'n', summary: 'How many of the last lines.', default: LINES, min: 0, helpValue: 'N' }),
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(DaemonLogs);
    const { localService } = await import('../../src/service/local-service.ts');
    const { follow, lines } = flags;
    const format = ['json', 'ndjson'].includes(formatOf(flags)) ? 'ndjson' : 'text';
    const code = await localService({ role: 'daemon', scope: this.scopeOf(flags) }).logs({ follow, lines, format });
    if (code !== 0) this.exit(code);
  }
}
