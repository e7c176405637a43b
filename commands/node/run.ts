import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../src/cli/base.ts';

export default class NodeRun extends BaseCommand {
  static override summary = 'Run the node host in the foreground: connect to the daemon and do what the policy allows.';
  static override description =
    'Stays until it is told to stop, and comes back to a daemon that was away. Log lines are JSON on standard error.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    { description: 'as a service of the system instead', command: 'sudo <%= config.bin %> node install' },
  ];
  static override flags = {
    'log-level': Flags.option({
      summary: 'Least severity of a log line.',
      options: ['error', 'warn', 'info', 'debug'] as const,
      default: 'info',
      env: 'PALYRA_LOG_LEVEL',
    })(),
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(NodeRun);
    const { startNotifier } = await import('../../src/service/notify.ts');
    const { runUntilStopped } = await import('../../src/node/run-until-stopped.ts');
    await runUntilStopped({
      home: this.homeOf(flags),
      env: process.env,
      notify: (clock, log) => startNotifier(process.env, clock, log),
      logLevel: flags['log-level'],
    });
  }
}
