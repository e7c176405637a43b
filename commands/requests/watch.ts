import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { RemoteCommand, runFlags, runFormat } from '../../src/cli/remote-command.ts';
import { remoteRun } from '../../src/cli/remote-run.ts';

export default class RequestsWatch extends RemoteCommand {
  static override summary = 'Follow a request from the start of its output, and end with its exit code.';
  static override description = 'Ctrl-C stops the watching, not the request; `requests cancel` does that.';
  static override examples = ['<%= config.bin %> <%= command.id %> 01K8ZJ4Q2N7M5W3V1T9R6P8XYC'];
  static override args = {
    request: Args.string({ description: 'id of the request', required: true, ignoreStdin: true }),
  };
  static override flags = {
    observe: Flags.boolean({ summary: 'Never hold the program up: rather miss output than be waited for.' }),
    ...runFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(RequestsWatch);
    await this.withClient(flags, (client) =>
      this.endAs(
        remoteRun({
          client,
          target: { requestId: encodeURIComponent(args.request), observe: flags.observe },
          format: runFormat(flags),
          raw: flags.raw,
          note: this.note,
          onlyWatching: true,
          printJson: (document) => this.printJson(document),
        }),
      ),
    );
  }
}
