import { ServiceCommand, serviceFlags } from '../../src/cli/service-command.ts';

export default class NodeStart extends ServiceCommand {
  static override summary = 'Start the installed node host and wait until it is ready.';
  static override examples = ['sudo <%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --user'];
  static override flags = serviceFlags;

  override async run(): Promise<void> {
    const { flags } = await this.parse(NodeStart);
    const { localService } = await import('../../src/service/local-service.ts');
    const service = await localService({ role: 'node', scope: this.scopeOf(flags) }).start();
    this.printService({ service }, service, flags);
  }
}
