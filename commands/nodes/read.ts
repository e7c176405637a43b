import { randomUUID } from 'node:crypto';
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { durationFlag } from '../../src/cli/duration-flag.ts';
import { LocalOutput, OutputClosed } from '../../src/cli/local-output.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import { readRemoteFile } from '../../src/cli/remote-file.ts';
import { saveRemoteFile } from '../../src/cli/save-remote-file.ts';
import { LIMITS } from '../../src/kernel/limits.ts';

export default class NodesRead extends OperatorCommand {
  static override summary = 'Read a file of a node, and check that it arrived as it is there.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> web-1 /etc/hostname',
    '<%= config.bin %> <%= command.id %> web-1 /var/log/syslog --output-file syslog',
  ];
  static override args = {
    node: Args.string({ description: 'name, id or unique prefix of an id', required: true, ignoreStdin: true }),
    path: Args.string({ description: 'absolute path on the node', required: true, ignoreStdin: true }),
  };
  static override flags = {
    offset: Flags.integer({ summary: 'First byte to read.', min: 0, helpValue: 'N' }),
    length: Flags.integer({ summary: 'Bytes to read; to the end without it.', min: 0, helpValue: 'N' }),
    'output-file': Flags.string({ summary: 'Local file that appears when all is there.', helpValue: 'FILE' }),
    timeout: durationFlag({ summary: 'Give up after this time.', longestMs: LIMITS.runTimeoutLongestMs }),
    'queue-ttl': durationFlag({
      summary: 'Wait this long for a node that is offline.',
      longestMs: LIMITS.queueTtlLongestMs,
    }),
    raw: Flags.boolean({ summary: 'Let control characters of the file reach the terminal.' }),
    json: Flags.boolean({ summary: 'Print what was read as JSON.', dependsOn: ['output-file'], helpGroup: 'OUTPUT' }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(NodesRead);
    const { offset, length, timeout, 'queue-ttl': queueTtl, 'output-file': file } = flags;
    const create = {
      node: args.node,
      capability: 'filesystem.read',
      input: { path: args.path, ...(offset !== undefined && { offset }), ...(length !== undefined && { length }) },
      ...(timeout !== undefined && { run_timeout_ms: timeout }),
      ...(queueTtl !== undefined && { queue_ttl_ms: queueTtl }),
    };
    const reading = { create, idempotencyKey: randomUUID(), note: this.note };
    await this.withClient(flags, async (client) => {
      if (file !== undefined) {
        const request = await saveRemoteFile({ ...reading, client }, file);
        if (flags.json) this.printJson({ request_id: request.request_id, output_file: file, output: request.output });
        return;
      }
      process.stdout.removeAllListeners('error').on('error', () => undefined);
      const stdout = new LocalOutput(process.stdout, { raw: flags.raw });
      try {
        await readRemoteFile({ ...reading, client, write: (data) => stdout.write(data) });
      } catch (cause) {
        if (cause instanceof OutputClosed) this.exit(141);
        throw cause;
      }
    });
  }
}
