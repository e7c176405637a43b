// npm run up: a daemon and a node on this machine in a scratch home, paired through the real pairing, until Ctrl-C.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, generate } from './build.ts';
import { endWith, StepFailed } from './step.ts';
import { BINARY, Host, palyra, palyraJson, until } from './up-host.ts';

const NAME = 'this-machine';
const signal = new AbortController();
const say = (line: string): boolean => process.stdout.write(`${line}\n`);

interface Status {
  readonly running: boolean;
  readonly ready: boolean | null;
  readonly node_address: string;
  readonly operator_address: string;
}
interface Paired {
  readonly device_id: string;
}
interface Requests {
  readonly requests: readonly { readonly request_id: string; readonly state: string; readonly short_string: string }[];
}
interface Nodes {
  readonly nodes: readonly { readonly name: string; readonly presence: string }[];
}

async function pair(homes: { readonly operator: string; readonly node: string; readonly files: string }, to: string) {
  const { pin } = await palyraJson<{ pin: string }>(homes.operator, ['pairing', 'code']);
  say(`palyra pairing code                    ${pin}`);
  const flags = ['--name', NAME, '--allow', 'shell.execute', '--read-root', homes.files];
  const pairing = palyraJson<Paired>(homes.node, ['node', 'pair', pin, '--daemon', to, ...flags]);
  // Awaited below; until then its failure ends the wait for a request.
  let failure: unknown;
  pairing.catch((cause: unknown) => {
    failure = cause;
  });
  const request = await until('the request of the node', signal.signal, async () => {
    if (failure !== undefined) throw failure;
    const { requests } = await palyraJson<Requests>(homes.operator, ['pairing', 'list']);
    return requests.find(({ state }) => state === 'pending_approval');
  });
  say(`palyra node pair ${pin}          short string ${request.short_string}, on both sides`);
  await palyra(homes.operator, ['pairing', 'approve', request.request_id]);
  const { device_id } = await pairing;
  say(`palyra pairing approve ${request.request_id}   device ${device_id}`);
}

async function up(folder: string, hosts: Host[]): Promise<void> {
  const homes = { operator: join(folder, 'a'), node: join(folder, 'b'), files: join(folder, 'files') };
  for (const path of Object.values(homes)) mkdirSync(path, { mode: 0o700 });
  const file = join(homes.files, 'hello.txt');
  writeFileSync(file, 'Read from the node, through the daemon.\n');

  const listen = ['--node-listen', '127.0.0.1:0', '--operator-listen', '127.0.0.1:0'];
  const daemon = new Host('daemon', homes.operator, ['daemon', 'serve', ...listen], join(folder, 'daemon.log'));
  hosts.push(daemon);
  const status = await until('the daemon', signal.signal, async () => {
    daemon.assertRunning();
    const told = await palyraJson<Status>(homes.operator, ['daemon', 'status'], { mayFail: true });
    return told.ready === true ? told : undefined;
  });
  say(`\npalyra daemon serve                    nodes on ${status.node_address}, pid ${daemon.pid}`);

  await pair(homes, status.node_address);
  const node = new Host('node', homes.node, ['node', 'run'], join(folder, 'node.log'));
  hosts.push(node);
  await until('the node to be online', signal.signal, async () => {
    node.assertRunning();
    const { nodes } = await palyraJson<Nodes>(homes.operator, ['nodes', 'list']);
    return nodes.find(({ name, presence }) => name === NAME && presence === 'online');
  });
  say(`palyra node run                        online, pid ${node.pid}`);
  for (const words of [
    ['nodes', 'exec', NAME, '--', 'uname', '-a'],
    ['nodes', 'read', NAME, file],
  ]) {
    say(`palyra ${words.join(' ')}`);
    say(`    ${(await palyra(homes.operator, words)).trimEnd()}`);
  }

  say(`
A daemon and a node run on this machine, in ${folder} (logs: daemon.log, node.log).
Operator API: http://${status.operator_address}   (try /healthz)

To go on, in another terminal:

    export PALYRA_HOME=${homes.operator}
    ${BINARY} nodes list
    ${BINARY} nodes exec ${NAME} -- ls -l /
    ${BINARY} nodes describe ${NAME}
    ${BINARY} requests list

Ctrl-C ends both and removes the folder.`);
  await Promise.race([daemon.lost(), node.lost(), aborted(signal.signal)]);
}

const aborted = (of: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (of.aborted) resolve();
    of.addEventListener('abort', () => resolve(), { once: true });
  });

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => signal.abort());
const folder = mkdtempSync(join(tmpdir(), 'palyra-up-'));
const hosts: Host[] = [];
try {
  await generate();
  await build();
  await up(folder, hosts);
} catch (cause) {
  if (!signal.signal.aborted) {
    for (const host of hosts) await host.stop();
    if (cause instanceof StepFailed) process.stderr.write(`logs: ${folder}\n`);
    endWith(cause);
  }
}
process.stderr.write('\nending the node and the daemon\n');
for (const host of hosts.reverse()) await host.stop();
rmSync(folder, { recursive: true, force: true });
