import { randomUUID } from 'node:crypto';
import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { durationFlag } from '../../src/cli/duration-flag.ts';
import { invoke, invokeInput } from '../../src/cli/invoke.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import { LIMITS } from '../../src/kernel/limits.ts';

export default class NodesInvoke extends OperatorCommand {
  static override summary = 'Ask a node for one of its capabilities.';
  static override examples = [
    '<%= config.bin %> <%= command.id %> web-1 system.health',
    `<%= config.bin %> <%= command.id %> web-1 echo --input '{"hello":"world"}'`,
    '<%= config.bin %> <%= command.id %> web-1 reports.build --input @order.json --json',
  ];
  static override args = {
    node: Args.string({ description: 'name, id or unique prefix of an id', required: true, ignoreStdin: true }),
    capability: Args.string({ description: 'as `nodes describe` lists them', required: true, ignoreStdin: true }),
  };
  static override flags = {
    input: Flags.string({ summary: 'Input as JSON, @FILE, or - for standard input.', helpValue: 'JSON' }),
    timeout: durationFlag({ summary: 'End it after this time (1h).', longestMs: LIMITS.runTimeoutLongestMs }),
    'queue-ttl': durationFlag({
      summary: 'Wait this long for a node that is offline.',
      longestMs: LIMITS.queueTtlLongestMs,
    }),
    raw: Flags.boolean({ summary: 'Let control characters reach the terminal.', helpGroup: 'OUTPUT' }),
    json: Flags.boolean({ summary: 'Print request, output and streams as one document.', helpGroup: 'OUTPUT' }),
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(NodesInvoke);
    const { timeout, 'queue-ttl': queueTtl, json, raw } = flags;
    const create = {
      node: args.node,
      capability: args.capability,
      input: await invokeInput(flags.input),
      ...(timeout !== undefined && { run_timeout_ms: timeout }),
      ...(queueTtl !== undefined && { queue_ttl_ms: queueTtl }),
    };
    const code = await this.withClient(flags, (client) =>
      invoke({
        client,
        target: { create, idempotencyKey: randomUUID() },
        json,
        raw,
        note: this.note,
        print: (document) => this.printJson(document),
      }),
    );
    this.exit(code);
  }
}
