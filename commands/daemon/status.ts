import { formatOf } from '../../src/cli/base.ts';
import { cleanText } from '../../src/cli/clean-text.ts';
import { ServiceCommand, serviceFlags } from '../../src/cli/service-command.ts';

export default class DaemonStatus extends ServiceCommand {
  static override summary = 'Say whether the daemon of this home runs, where it listens, and what its service does.';
  static override description = 'Exits 0 when it runs and takes work, 4 when it does not.';
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json'];
  static override flags = serviceFlags;

  override async run(): Promise<void> {
    const { flags } = await this.parse(DaemonStatus);
    const { daemonStatus } = await import('../../src/daemon/daemon-status.ts');
    const { serviceStatus } = await import('../../src/service/service-status.ts');
    const { running, ready, home, instance } = await daemonStatus(this.homeOf(flags));
    const service = await serviceStatus('daemon', this.scopeOf(flags));
    const document = {
      running,
      ready,
      home,
      pid: instance?.pid ?? null,
      version: instance?.version ?? null,
      daemon_id: instance?.daemon_id ?? null,
      started_at_unix_ms: instance?.started_at_unix_ms ?? null,
      node_address: instance?.node_address ?? null,
      operator_address: instance?.operator_address ?? null,
      operator_socket: instance?.operator_socket ?? null,
      service,
    };
    const format = formatOf(flags);
    if (format === 'json') this.printJson(document);
    else if (format === 'ndjson') this.log(JSON.stringify(document));
    else if (format === 'name') this.log(running ? 'running' : 'stopped');
    else {
      const state = running ? (ready === true ? 'running' : 'running, not ready') : 'not running';
      const lines = [
        ['daemon', `${state}${document.pid === null ? '' : ` (pid ${document.pid})`}`],
        ['nodes', document.node_address],
        ['operators', [document.operator_socket, document.operator_address].filter((it) => it !== null).join(' and ')],
        ['home', home],
        ['service', service.state],
        ['next', running ? 'palyra pairing code' : 'palyra daemon serve'],
      ];
      for (const [name, value] of lines) {
        if (value !== null && value !== '') this.log(`${String(name).padEnd(10)} ${cleanText(String(value))}`);
      }
    }
    if (ready !== true) this.exit(4);
  }
}
