import * as Flags from '@oclif/core/flags';
import { formatOf, outputFlags } from '../../src/cli/base.ts';
import { durationFlag } from '../../src/cli/duration-flag.ts';
import { environmentOf } from '../../src/cli/exec-words.ts';
import { OperatorCommand } from '../../src/cli/operator-command.ts';
import { LIMITS } from '../../src/kernel/limits.ts';
import type { MintedCodeView } from '../../src/wire/views.ts';

export default class PairingCode extends OperatorCommand {
  static override summary = 'Make a PIN with which one new machine may ask to join.';
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --name web-1 --label role=web --ttl 1h',
  ];
  static override flags = {
    ttl: durationFlag({ summary: 'How long it may be used (10m).', longestMs: LIMITS.pairingCodeLongestMs }),
    name: Flags.string({ summary: 'Name for the machine.', helpValue: 'NAME' }),
    label: Flags.string({ summary: 'Label for the machine; may be repeated.', helpValue: 'K=V', multiple: true }),
    capability: Flags.string({
      summary: 'Most that the machine may be granted; may be repeated.',
      helpValue: 'NAME',
      multiple: true,
    }),
    ...outputFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(PairingCode);
    const { ttl, name, label, capability } = flags;
    const code = await this.withClient(flags, (client) =>
      client.call<MintedCodeView>('POST', '/api/v1/pairing/codes', {
        body: {
          ...(ttl !== undefined && { ttl_ms: ttl }),
          ...(name !== undefined && { name }),
          ...(label !== undefined && { labels: environmentOf(label) }),
          ...(capability !== undefined && { capabilities: capability }),
        },
      }),
    );
    const format = formatOf(flags);
    if (format === 'json') this.printJson(code);
    else if (format === 'ndjson') this.log(JSON.stringify(code));
    else this.log(code.pin);
    if (format !== 'table') return;
    const { until } = await import('../../src/cli/age.ts');
    const end = until(code.expires_at_unix_ms, Date.now());
    process.stderr.write(`on the new machine, ${end}: palyra node pair ${code.pin} --daemon HOST\n`);
  }
}
