import { randomUUID } from 'node:crypto';
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { durationFlag } from '../../src/cli/duration-flag.ts';
import { execBody } from '../../src/cli/exec-body.ts';
import { splitWords } from '../../src/cli/exec-words.ts';
import { RemoteCommand, runFlags, runFormat } from '../../src/cli/remote-command.ts';
import { remoteRun } from '../../src/cli/remote-run.ts';
import { LIMITS } from '../../src/kernel/limits.ts';
import type { AcceptedRequestView } from '../../src/wire/views.ts';

export default class NodesExec extends RemoteCommand {
  static override summary = 'Run a program on a node and end with its exit code.';
  static override description =
    'Everything behind the first -- goes to the node word by word; no shell reads it. ' +
    'The exit code is that of the program; 124 timed out, 125 Palyra failed, 126 not executable, 127 not found, ' +
    '128+n ended by signal n, 130 interrupted here.';
  static override usage = ['nodes exec NODE [FLAGS] -- PROGRAM [ARGUMENT...]', 'nodes exec NODE --script LINE [FLAGS]'];
  static override examples = [
    '<%= config.bin %> <%= command.id %> web-1 -- uname -a',
    'tar c site | <%= config.bin %> <%= command.id %> web-1 -i -- tar x -C /srv',
    "<%= config.bin %> <%= command.id %> web-1 --timeout 5m --script 'apt update && apt upgrade -y'",
  ];
  static override args = {
    node: Args.string({ description: 'name, id or unique prefix of an id', required: true, ignoreStdin: true }),
  };
  static override flags = {
    stdin: Flags.boolean({ char: 'i', summary: 'Forward standard input.' }),
    timeout: durationFlag({ summary: 'End the program after this time (1h).', longestMs: LIMITS.runTimeoutLongestMs }),
    cwd: Flags.string({ summary: 'Folder on the node to run in.', helpValue: 'DIR' }),
    env: Flags.string({ summary: 'Variable for the program; may be repeated.', helpValue: 'K=V', multiple: true }),
    'queue-ttl': durationFlag({
      summary: 'Wait this long for a node that is offline; without it that is an error at once.',
      longestMs: LIMITS.queueTtlLongestMs,
    }),
    detach: Flags.boolean({ summary: 'Print the id of the request and leave.', exclusive: ['stdin'] }),
    script: Flags.string({ summary: 'Line for a shell of the node, instead of a program.', helpValue: 'LINE' }),
    'script-file': Flags.string({
      summary: 'File with a script, - for standard input.',
      helpValue: 'FILE',
      exclusive: ['script'],
    }),
    shell: Flags.string({ summary: 'Shell for the script, of those that the node allows.', helpValue: 'NAME' }),
    ...runFlags,
  };

  override async run(): Promise<void> {
    const { own, remote } = splitWords(this.argv);
    this.argv = own;
    const { args, flags } = await this.parse(NodesExec);
    const create = await execBody({ node: args.node, remote, ...flags });
    const format = runFormat(flags);
    const idempotencyKey = randomUUID();
    await this.withClient(flags, async (client) => {
      if (flags.detach) {
        const accepted = await client.call<AcceptedRequestView>('POST', '/api/v1/requests', {
          body: create,
          headers: { 'idempotency-key': idempotencyKey },
        });
        if (format === 'live') this.log(accepted.request_id);
        else this.printJson(accepted);
        return;
      }
      await this.endAs(
        remoteRun({
          client,
          target: { create, idempotencyKey },
          stdin: flags.stdin ? process.stdin : undefined,
          format,
          raw: flags.raw,
          note: this.note,
          printJson: (document) => this.printJson(document),
        }),
      );
    });
  }
}
