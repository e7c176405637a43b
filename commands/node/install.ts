import { installFlags, ServiceCommand } from '../../src/cli/service-command.ts';

export default class NodeInstall extends ServiceCommand {
  static override summary = 'Register the node host with the operating system, start it, and wait until it is ready.';
  static override examples = [
    { description: 'of the machine, under a user made for it', command: 'sudo <%= config.bin %> <%= command.id %>' },
    { description: 'of the asking user, also without a login', command: '<%= config.bin %> <%= command.id %> --user' },
    { description: 'with fewer rights than that user', command: 'sudo <%= config.bin %> <%= command.id %> --hardened' },
  ];
  static override flags = installFlags;

  override async run(): Promise<void> {
    const { flags } = await this.parse(NodeInstall);
    const { localService } = await import('../../src/service/local-service.ts');
    const { assertPaired } = await import('../../src/service/assert-paired.ts');
    const home = this.homeOf(flags);
    assertPaired(home);
    const report = await localService({ role: 'node', scope: this.scopeOf(flags) }).install({
      home,
      binary: flags.binary,
      hardened: flags.hardened,
      runAs: flags['run-as'],
      asRoot: flags['as-root'],
      requireLinger: flags['require-linger'],
    });
    this.tell('', report.changes);
    this.tell('warning: ', report.warnings);
    this.printService(report, report.service, flags);
    this.tell('', ['next: palyra node status']);
  }
}
