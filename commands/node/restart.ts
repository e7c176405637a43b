import { nowFlag, ServiceCommand, serviceFlags } from '../../src/cli/service-command.ts';

export default class NodeRestart extends ServiceCommand {
  static override summary = 'Stop the installed node host, start it again and wait until it is ready.';
  static override description = 'Work under way is let finish for a while.';
  static override examples = [
    'sudo <%= config.bin %> <%= command.id %>',
    { description: 'without that', command: 'sudo <%= config.bin %> <%= command.id %> --now' },
  ];
  static override flags = { ...serviceFlags, ...nowFlag };

  override async run(): Promise<void> {
    const { flags } = await this.parse(NodeRestart);
    const { localService } = await import('../../src/service/local-service.ts');
    const { now } = flags;
    const service = await localService({ role: 'node', scope: this.scopeOf(flags) }).restart({ now });
    this.printService({ service }, service, flags);
  }
}
