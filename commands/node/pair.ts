import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand, formatOf, outputFlags } from '../../src/cli/base.ts';
import { cleanText } from '../../src/cli/clean-text.ts';
import { durationFlag } from '../../src/cli/duration-flag.ts';
import { LIMITS } from '../../src/kernel/limits.ts';

export default class NodePair extends BaseCommand {
  static override summary = 'Join this machine to a daemon, with the PIN that "palyra pairing code" prints there.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> 4712-345-675 --daemon daemon.example',
    '<%= config.bin %> <%= command.id %> 4712-345-675 --daemon 192.0.2.1 --allow shell.execute',
    '<%= config.bin %> <%= command.id %> --token-file - --daemon daemon.example --read-root /var/log',
    { description: 'after it was stopped', command: '<%= config.bin %> <%= command.id %> --resume' },
  ];
  static override args = {
    pin: Args.string({ description: 'PIN or join token; - reads it from standard input', ignoreStdin: true }),
  };
  static override flags = {
    daemon: Flags.string({
      summary: 'Node address of the daemon, port 7443 unless named (this machine).',
      helpValue: 'HOST[:PORT]',
    }),
    name: Flags.string({ summary: 'Name for this machine (its host name).', helpValue: 'NAME' }),
    'token-file': Flags.string({
      summary: 'File with a join token; - for standard input. PALYRA_JOIN_TOKEN holds one, too.',
      helpValue: 'FILE',
    }),
    allow: Flags.string({
      summary: 'Capability that this machine allows, beside the harmless ones; may be repeated.',
      helpValue: 'CAP',
      multiple: true,
    }),
    'read-root': Flags.string({
      summary: 'Folder whose files may be read; may be repeated.',
      helpValue: 'DIR',
      multiple: true,
    }),
    'allow-script': Flags.boolean({ summary: 'Allow script lines, with --allow shell.execute.' }),
    resume: Flags.boolean({
      summary: 'Go on with the pairing that was interrupted; needs no PIN.',
      exclusive: ['token-file', 'daemon', 'name'],
    }),
    timeout: durationFlag({
      summary: 'How long it may take, the approver included (as long as the request lives).',
      longestMs: LIMITS.pairingRequestLongestMs,
    }),
    ...outputFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(NodePair);
    const { Interrupts } = await import('../../src/cli/interrupts.ts');
    const { pairingCode } = await import('../../src/cli/pairing-code.ts');
    const { runPairing } = await import('../../src/node/pairing/run-pairing.ts');
    const code = flags.resume
      ? undefined
      : await pairingCode({
          typed: args.pin,
          tokenFile: flags['token-file'],
          environment: process.env['PALYRA_JOIN_TOKEN'],
        });
    const interrupted = new AbortController();
    const interrupts = new Interrupts(
      () => interrupted.abort(),
      () => process.exit(130),
    );
    const paired = await runPairing({
      home: this.homeOf(flags),
      code,
      daemon: flags.daemon,
      name: flags.name,
      policy: {
        allow: flags.allow ?? [],
        readRoots: flags['read-root'] ?? [],
        allowScript: flags['allow-script'],
      },
      timeoutMs: flags.timeout,
      interrupted: interrupted.signal,
      tell: (line) => void process.stderr.write(`${cleanText(line)}\n`),
    }).finally(() => interrupts.stop());
    const document = {
      device_id: paired.deviceId,
      name: paired.name,
      request_id: paired.requestId,
      state: 'completed',
    };
    const format = formatOf(flags);
    if (format === 'json') this.printJson(document);
    else if (format === 'ndjson') this.log(JSON.stringify(document));
    else if (format === 'name') this.log(paired.deviceId);
    else {
      this.log(cleanText(`paired as ${paired.name} (${paired.deviceId})`));
      process.stderr.write('next: palyra node install, or palyra node run\n');
    }
  }
}
