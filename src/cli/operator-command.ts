import * as Flags from '@oclif/core/flags';
import { BaseCommand } from './base.ts';
import type { OperatorClient } from './operator-client.ts';

interface ConnectionFlags {
  readonly home?: string | undefined;
  readonly daemon?: string | undefined;
  readonly 'token-file'?: string | undefined;
}

/** What all commands share that ask a daemon for something. */
export abstract class OperatorCommand extends BaseCommand {
  static override baseFlags = {
    ...BaseCommand.baseFlags,
    daemon: Flags.string({
      summary: 'Daemon to ask: unix:/path/to/operator.sock or http://127.0.0.1:7480.',
      env: 'PALYRA_DAEMON',
      helpGroup: 'GLOBAL',
      helpValue: 'ADDRESS',
    }),
    'token-file': Flags.string({
      summary: 'File with the operator token; PALYRA_TOKEN itself wins.',
      env: 'PALYRA_TOKEN_FILE',
      helpGroup: 'GLOBAL',
      helpValue: 'FILE',
    }),
  };

  /** Runs `use` with a client of the daemon that the flags mean, and closes it. */
  protected async withClient<T>(flags: ConnectionFlags, use: (client: OperatorClient) => Promise<T>): Promise<T> {
    const { connectOperator } = await import('./connect-operator.ts');
    const client = connectOperator({
      home: this.homeOf(flags),
      daemon: flags.daemon,
      tokenFile: flags['token-file'],
    });
    try {
      return await use(client);
    } finally {
      client.close();
    }
  }

  /** A line for the person at the terminal; never in a pipe, never between documents. */
  protected note = (line: string): void => {
    if (process.stderr.isTTY && !this.wantsJson) process.stderr.write(`palyra: ${line}\n`);
  };
}
