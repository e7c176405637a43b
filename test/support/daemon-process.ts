// `palyra daemon serve` in a process of its own, on free ports.
import { once } from 'node:events';
import { RunningCli } from './run-cli.ts';

interface Ready {
  readonly pid: number;
  readonly node_address: string;
  readonly operator_address: string | null;
}

export class DaemonProcess {
  readonly cli: RunningCli;
  readonly ready: Ready;

  private constructor(cli: RunningCli, ready: Ready) {
    this.cli = cli;
    this.ready = ready;
  }

  /** Resolves when it takes work. */
  static async start(
    home: string,
    {
      flags = [],
      env = {},
      nodeListen = '127.0.0.1:0',
      program,
    }: {
      readonly flags?: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
      readonly nodeListen?: string;
      readonly program?: readonly string[];
    } = {},
  ): Promise<DaemonProcess> {
    const listen = ['--node-listen', nodeListen, '--operator-listen', '127.0.0.1:0'];
    const cli = new RunningCli(['daemon', 'serve', ...listen, ...flags], {
      home,
      env,
      ...(program !== undefined && { program }),
    });
    const said = (): Ready | undefined => cli.log.find(({ msg }) => msg === 'the daemon is ready') as Ready | undefined;
    await cli.until(() => said() !== undefined);
    return new DaemonProcess(cli, said() as Ready);
  }

  /** Ends it by a signal; resolves with its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { process: child } = this.cli;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    }
    return child.exitCode;
  }
}
