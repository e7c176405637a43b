import { installFlags, ServiceCommand } from '../../src/cli/service-command.ts';

export default class DaemonInstall extends ServiceCommand {
  static override summary = 'Register the daemon with the operating system, start it, and wait until it is ready.';
  static override examples = [
    { description: 'of the machine, under a user made for it', command: 'sudo <%= config.bin %> <%= command.id %>' },
    { description: 'of the asking user, also without a login', command: '<%= config.bin %> <%= command.id %> --user' },
    { description: 'with fewer rights than that user', command: 'sudo <%= config.bin %> <%= command.id %> --hardened' },
  ];
  static override flags = installFlags;

  override async run(): Promise<void> {
    const { flags } = await this.parse(DaemonInstall);
    const { localService } = await import('../../src/service/local-service.ts');
    const home = this.homeOf(flags);
    const report = await localService({ role: 'daemon', scope: this.scopeOf(flags) }).install({
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
    this.tell('', ['next, to let a machine join: palyra pairing code']);
  }
}
