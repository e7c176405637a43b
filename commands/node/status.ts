import { age, until } from '../../src/cli/age.ts';
import { formatOf } from '../../src/cli/base.ts';
import { cleanText } from '../../src/cli/clean-text.ts';
import { ServiceCommand, serviceFlags } from '../../src/cli/service-command.ts';

const NOT_CONNECTED_EXIT = 4;
const NOT_PAIRED_EXIT = 7;

export default class NodeStatus extends ServiceCommand {
  static override summary = 'Say whether this machine is paired and connected, and what its service does.';
  static override description =
    'Exits 0 when it is connected, 4 when it is paired and not connected, 7 when it is not paired.';
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];
  static override flags = serviceFlags;

  override async run(): Promise<void> {
    const { flags } = await this.parse(NodeStatus);
    const { nodeStatus } = await import('../../src/node/node-status.ts');
    const { serviceStatus } = await import('../../src/service/service-status.ts');
    const { home, config, live, certificateExpiresAtUnixMs } = await nodeStatus(this.homeOf(flags));
    const service = await serviceStatus('node', this.scopeOf(flags));
    const connected = live?.connected ?? false;
    const document = {
      paired: config !== undefined,
      connected,
      connected_since_unix_ms: live?.connected_since_unix_ms ?? null,
      device_id: config?.device_id ?? null,
      name: config?.name ?? null,
      daemon: config?.grpc_url ?? null,
      home,
      identity_store_dir: config?.identity_store_dir ?? null,
      pid: live?.pid ?? null,
      started_at_unix_ms: live?.started_at_unix_ms ?? null,
      last_error: live?.last_error ?? null,
      degraded_reason: live?.degraded_reason ?? null,
      running: live?.running ?? 0,
      queued: live?.queued ?? 0,
      certificate: { expires_at_unix_ms: certificateExpiresAtUnixMs },
      service,
    };
    const format = formatOf(flags);
    if (format === 'json') this.printJson(document);
    else if (format === 'ndjson') this.log(JSON.stringify(document));
    else if (format === 'name') this.log(document.name ?? '');
    else {
      const now = Date.now();
      const host = live === undefined ? 'not running' : `pid ${live.pid}, for ${age(live.started_at_unix_ms, now)}`;
      const way = connected ? `connected for ${age(document.connected_since_unix_ms, now)}` : 'not connected';
      const next = nextCommand(document.paired, live !== undefined);
      const lines = [
        ['node', config === undefined ? 'not paired' : `${config.name} (${config.device_id})`],
        ['daemon', config === undefined ? '' : `${config.grpc_url}, ${way}`],
        ['problem', document.last_error ?? ''],
        ['degraded', document.degraded_reason ?? ''],
        ['host', config === undefined ? '' : host],
        ['service', service.state],
        ['certificate', certificateExpiresAtUnixMs === null ? '' : `ends ${until(certificateExpiresAtUnixMs, now)}`],
        ['identity', document.identity_store_dir ?? ''],
        ['next', next],
      ] as const;
      for (const [name, value] of lines) if (value !== '') this.log(`${name.padEnd(12)} ${cleanText(value)}`);
    }
    if (config === undefined) this.exit(NOT_PAIRED_EXIT);
    if (!connected) this.exit(NOT_CONNECTED_EXIT);
  }
}

function nextCommand(paired: boolean, running: boolean): string {
  if (!paired) return 'palyra node pair <pin> --daemon HOST';
  return running ? '' : 'palyra node install, or palyra node run';
}
